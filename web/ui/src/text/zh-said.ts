// 守护进程以代码表示的话，中文。

import type { Text } from "./en";
import type { enSaid } from "./en-said";

export const zhSaid: Pick<Text, keyof typeof enSaid> = {
  warnings: {
    noWorker: "没有已知的节点，因此没有清除也没有预加载",
    worker: (worker, problem) => `节点 ${worker}：${problem}`,
    notResident: (worker, items, first, why) =>
      `节点 ${worker} 上有 ${items} 个条目未完整驻留，首个是 ${first}（${why}）`,
    realisedUnknown: (problem) => `当天名单的实际收益未知：${problem}`,
    bucketNotListed: (bucket, problem) => `无法列举存储桶 ${bucket}，沿用上次已知的大小：${problem}`,
    metastoreUnread: (problem) => `无法向元数据服务查询各表的位置，沿用此前所知：${problem}`,
    listBroken: (problem) => `当前生效的白名单无法读取，已被替换：${problem}`,
    notPublished: (refusal) => `没有发布新版本：${refusal}`,
    skippedFiles: (files) => `有 ${files} 个日志文件无法读取，已跳过`,
    daysMissing: (days, first) => `有 ${days} 天没有日志，视为未知，而不是没有读取：${first}`,
    daysAhead: (days, first) => `访问日志中有 ${days} 天在未来，到那一天之前不计入，请检查节点的时钟：${first}`,
    rowsAhead: (rows, first) => `访问日志中有 ${rows} 行在未来，到那个时间之前不计入，请检查节点的时钟：所在日志的日期为 ${first}`,
    worn: (limit) => `值得加载的数据超过 SSD 每天允许的写入量（${limit}）`,
    pinsDoNotFit: (items) => `有 ${items} 个固定条目超出预算，放不下`,
    speedAssumed: (tier) => `${tier}：速度为假定值，因为历史中不同大小的读取太少，无法测量`,
    noBudget: "预算为零：什么都无法保留",
    budgetHoldsAll: (budget, wanted) => `预算 ${budget} 已能容纳全部值得保留的数据（${wanted}），可以减少`,
    budgetLarge: (budget, share, wanted, advised) =>
      `预算 ${budget} 可容纳值得保留数据（${wanted}）的 ${share}，建议为 ${advised}：最后一部分收益很小`,
    budgetSmall: (budget, share, wanted, advised) =>
      `预算 ${budget} 只能容纳值得保留数据（${wanted}）的 ${share}，建议为 ${advised}：增加预算会有收益`,
    span: (least, most) => `${least} 至 ${most}`,
    tablesGone: (tables, names) => `有 ${tables} 张表曾被读取，但现在没有存储桶包含它们（已删除或改名）：${names}`,
    itemsGone: (items) => `有 ${items} 个条目曾被读取，但现在没有存储桶包含它们`,
  },
  refusals: {
    nothing_listed: "现在和以前都无法列举任何存储桶",
    nothing_read: "历史中没有读取，也没有固定条目",
  },
  outcomes: {
    published: (version) => `已发布版本 ${version}。`,
    proposed: (version) => `已提出版本 ${version}，等待批准。`,
    stillProposed: (version) => `结果与等待批准的版本 ${version} 相同。`,
    unchanged: "没有发布新版本：条目和预算与当前生效的相同。",
    notPublished: (refusal) => `没有发布新版本：${refusal}。`,
  },
  causes: {
    night: (day) => `${day}的夜间任务`,
    denied: (day) => `${day}的夜间任务，仅移除了被禁止的条目`,
    landed: (items) => `新到达：${items}`,
    rewritten: (items) => `被重写：${items}`,
    displaced: (items) => `被替换：${items}`,
    several: (first, more) => `${first} 等另外 ${more} 个`,
    rollBack: (to, by) => `${by} 回滚到版本 ${to}`,
    plan: (by) => `${by} 规划`,
    approval: (by) => `${by} 批准`,
    approvalOf: (cause, by) => `${cause}，${by} 批准`,
  },
  notLoaded: {
    runEnded: "轮到它之前预加载已结束",
    runEndedWithin: "读完之前预加载已结束",
    noRoom: (bytes, left) => `空间不足：需要 ${bytes}，剩余 ${left}`,
    notKept: (bytes) => `有 ${bytes} 未能留在缓存层`,
  },
  preloadStops: {
    replaced: "已有新的预加载请求",
    shutdown: "守护进程停止",
    windowClosed: "时间窗口已结束",
    worn: (written, limit) => `预加载一天内写入 ${written}，为保护 SSD，上限为 ${limit}`,
  },
  versions: {
    holds: (inForce, chosen) => `版本 ${inForce} 包含它，但上次夜间任务没有为版本 ${chosen} 选它。`,
    lacks: (inForce, chosen) => `上次夜间任务为版本 ${chosen} 选了它，但版本 ${inForce} 不包含它。`,
    wouldLeave: (inForce, proposed) => `版本 ${inForce} 包含它；等待批准的版本 ${proposed} 不包含它。`,
    wouldCome: (proposed) => `版本 ${proposed} 提议加入它，等待批准。`,
    unweighed: (inForce) => `版本 ${inForce} 包含它。上次夜间任务没有评估它：它在之后到达，或随该版本恢复。`,
  },
  fates: {
    noRoom: (size, left) => `它有 ${size}，剩余的 ${left} 放不下。`,
    tableCap: (cap, left) => `所属表的上限为 ${cap}，剩余 ${left}。`,
    ownerCap: (owner, cap, left) => `${owner} 的上限为 ${cap}，剩余 ${left}。`,
    tooLarge: (size) => `它有 ${size}，超过全部预算。`,
    notWorthLoading: (loading) => `节省的时间少于加载成本（${loading}）。`,
    noValue: "预期的读取从 SSD 读取也不会更快。",
    empty: "源存储中没有它的数据。",
    place: (rank, of, cut) => `按密度在 ${of} 个中排第 ${rank}，入选线为第 ${cut} 名。`,
  },
};
