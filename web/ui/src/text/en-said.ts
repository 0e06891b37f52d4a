// What the daemon says by codes, in English.

export const enSaid = {
  warnings: {
    noWorker: "no worker is known, so nothing was dropped or preloaded",
    worker: (worker: string, problem: string) => `${worker}: ${problem}`,
    notResident: (worker: string, items: string, first: string, why: string) =>
      `not resident as a whole on ${worker}: ${items === "1" ? "1 item" : `${items} items`}, first ${first} (${why})`,
    realisedUnknown: (problem: string) => `what the day's list realised is not known: ${problem}`,
    bucketNotListed: (bucket: string, problem: string) =>
      `bucket ${bucket} cannot be listed, its last known sizes count: ${problem}`,
    metastoreUnread: (problem: string) =>
      `the metastore cannot be asked where tables lie, what was known before counts: ${problem}`,
    listBroken: (problem: string) => `the whitelist in force cannot be read and is replaced: ${problem}`,
    notPublished: (refusal: string) => `nothing was published: ${refusal}`,
    skippedFiles: (files: string) => `log files that could not be read and were left out: ${files}`,
    daysMissing: (days: string, first: string) =>
      `days without logs (${days}), taken for unknown and not for days without reads: ${first}`,
    daysAhead: (days: string, first: string) =>
      `days of the access log that lie in the future (${days}), left out until they have come, see to the workers' clocks: ${first}`,
    rowsAhead: (rows: string, first: string) =>
      `rows of the access log that lie in the future (${rows}), left out until their time has come, see to the workers' clocks: in the logs of ${first}`,
    worn: (limit: string) => `more is worth loading than the SSD may be written in a day (${limit})`,
    pinsDoNotFit: (items: string) => `pinned items that do not fit into the budget: ${items}`,
    speedAssumed: (tier: string) =>
      `${tier}: its speed is assumed, because the history holds too few reads of different sizes to measure it`,
    noBudget: "the budget is zero: nothing can be held",
    budgetHoldsAll: (budget: string, wanted: string) =>
      `the budget of ${budget} holds all that is worth holding (${wanted}): less would do`,
    budgetLarge: (budget: string, share: string, wanted: string, advised: string) =>
      `the budget of ${budget} holds ${share} of what is worth holding (${wanted}), ${advised} is advised: the last of it earns little`,
    budgetSmall: (budget: string, share: string, wanted: string, advised: string) =>
      `the budget of ${budget} holds ${share} of what is worth holding (${wanted}), ${advised} is advised: more would pay`,
    span: (least: string, most: string) => `${least} to ${most}`,
    tablesGone: (tables: string, names: string) =>
      `tables that were read and that no bucket holds now, dropped or renamed (${tables}): ${names}`,
    itemsGone: (items: string) => `items that were read and that no bucket holds now: ${items}`,
  },
  refusals: {
    nothing_listed: "no bucket could be listed, now or before",
    nothing_read: "there are no reads in the history and no pins",
  },
  outcomes: {
    published: (version: number) => `It published version ${version}.`,
    proposed: (version: number) => `It proposed version ${version}, which waits for approval.`,
    stillProposed: (version: number) => `It proposes what version ${version} does, which still waits for approval.`,
    unchanged: "It published nothing: the items and the budget are those in force.",
    notPublished: (refusal: string) => `It published nothing: ${refusal}.`,
  },
  causes: {
    night: (day: string) => `the night of ${day}`,
    denied: (day: string) => `the night of ${day} only took out what was denied`,
    landed: (items: string) => `landed: ${items}`,
    rewritten: (items: string) => `rewritten: ${items}`,
    displaced: (items: string) => `displaced: ${items}`,
    several: (first: string, more: string) => `${first} and ${more} more`,
    rollBack: (to: number, by: string) => `rolled back to version ${to} by ${by}`,
    plan: (by: string) => `planned by ${by}`,
    approval: (by: string) => `approved by ${by}`,
    approvalOf: (cause: string, by: string) => `${cause}, approved by ${by}`,
  },
  notLoaded: {
    runEnded: "the run ended before",
    runEndedWithin: "the run ended before all of it was read",
    noRoom: (bytes: string, left: string) => `no room: it has ${bytes}, ${left} are left`,
    notKept: (bytes: string) => `${bytes} did not stay in a tier`,
  },
  preloadStops: {
    replaced: "another preload was asked for",
    shutdown: "the daemon shut down",
    windowClosed: "its window closed",
    worn: (written: string, limit: string) =>
      `preloads wrote ${written} within a day, and ${limit} is the limit for the SSD's sake`,
  },
  /** Where what is in force is not what the last night chose. */
  versions: {
    holds: (inForce: number, chosen: number) =>
      `version ${inForce} holds it, but the last night did not choose it for version ${chosen}.`,
    lacks: (inForce: number, chosen: number) =>
      `the last night chose it for version ${chosen}, but version ${inForce} does not hold it.`,
    wouldLeave: (inForce: number, proposed: number) =>
      `version ${inForce} holds it; version ${proposed}, which waits for approval, does not.`,
    wouldCome: (proposed: number) => `version ${proposed} proposes it, and waits for approval.`,
    unweighed: (inForce: number) =>
      `version ${inForce} holds it. The last night did not weigh it: it landed later, or came back with that version.`,
  },
  fates: {
    noRoom: (size: string, left: string) => `its ${size} do not fit into the ${left} that were left.`,
    tableCap: (cap: string, left: string) => `its table may hold ${cap}, of which ${left} were left.`,
    ownerCap: (owner: string, cap: string, left: string) => `${owner} may hold ${cap}, of which ${left} were left.`,
    tooLarge: (size: string) => `its ${size} are more than the whole budget.`,
    notWorthLoading: (loading: string) => `it saves less than loading it costs, ${loading}.`,
    noValue: "what is expected to be read of it would be no faster from the SSD.",
    empty: "the origin holds no bytes of it.",
    place: (rank: string, of: string, cut: string) => `By density it has rank ${rank} of ${of}; the cut is at ${cut}.`,
  },
};
