// Short names for what the API answers.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Curve = Schemas["Curve"];
export type Decision = Schemas["Decision"];
export type Explanation = Schemas["Explanation"];
export type Item = Schemas["ItemAnswer"];
export type ItemExplanation = Schemas["ItemExplanation"];
export type Night = Schemas["StoredNight"];
export type PreloadItem = Schemas["PreloadItemStatus"];
export type PreloadRun = Schemas["PreloadRun"];
export type PreloadStatus = Schemas["PreloadStatus"];
export type Residency = Schemas["ResidencyReport"];
export type Table = Schemas["TableAnswer"];
export type TierUse = Schemas["TierUse"];
export type Version = Schemas["VersionRow"];
export type WhatIf = Schemas["WhatIf"];
export type Whitelist = Schemas["Whitelist"];
export type WhitelistDiff = Schemas["WhitelistDiff"];
export type WhitelistItem = Schemas["WhitelistItem"];

export type {
  Activity,
  Bill,
  Choice,
  ChosenItem,
  FleetWorker,
  ItemsPage,
  OwnerBill,
  PartitionDays,
  PolicyResult,
  PreloadEvent,
  Quantiles,
  QueryRow,
  Queries,
  QueryGroup,
  Session,
  Simulation,
  TableDays,
  Usage,
  UsagePoint,
} from "./coming";
