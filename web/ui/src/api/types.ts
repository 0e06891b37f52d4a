// Short names for what the API answers.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Activity = Schemas["Activity"];
export type Advice = Schemas["Advice"];
export type Bill = Schemas["Bill"];
export type Choice = Schemas["ChoiceAnswer"];
export type ChosenItem = Schemas["ChoiceItem"];
export type Curve = Schemas["Curve"];
export type Decision = Schemas["Decision"];
export type Explanation = Schemas["Explanation"];
export type FleetWorker = Schemas["Worker"];
export type Item = Schemas["ItemAnswer"];
export type ItemExplanation = Schemas["ItemExplanation"];
export type ItemsPage = Schemas["ItemsAnswer"];
export type Night = Schemas["StoredNight"];
export type OwnerBill = Schemas["OwnerBill"];
export type PartitionDays = Schemas["PartitionDays"];
export type PolicyResult = Schemas["PolicyReport"];
export type PreloadEvent = Schemas["PreloadProgress"];
export type PreloadItem = Schemas["PreloadItemStatus"];
export type PreloadRun = Schemas["PreloadRun"];
export type PreloadStatus = Schemas["PreloadStatus"];
export type Quantiles = Schemas["Quantiles"];
export type Queries = Schemas["QueriesAnswer"];
export type QueryGroup = Schemas["QueryGroup"];
export type QueryRow = Schemas["QueryAnswer"];
export type Residency = Schemas["ResidencyReport"];
export type Session = Schemas["SessionAnswer"];
export type Simulation = Schemas["SimulationAnswer"];
export type Table = Schemas["TableAnswer"];
export type TableDays = Schemas["TableDays"];
export type TierUse = Schemas["TierUse"];
export type Usage = Schemas["UsageAnswer"];
export type UsagePoint = Schemas["UsagePoint"];
export type Version = Schemas["VersionRow"];
export type WhatIf = Schemas["WhatIf"];
export type Whitelist = Schemas["Whitelist"];
export type WhitelistDiff = Schemas["WhitelistDiff"];
export type WhitelistItem = Schemas["WhitelistItem"];
