// A model card: what a model is, how it came about, what it may be used for (Mitchell et al. 2019).
#ifndef PIPELINE_EXPORT_MODEL_CARD_H_
#define PIPELINE_EXPORT_MODEL_CARD_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "pipeline/operator_graph.h"
#include "pipeline/runs/run.h"

namespace pipeline {

// Of what the run's folder says (summary.json may be missing: the run was cut off, and has no test
// result) and the exported graph's facts. What nobody told the program, such as licences, is said
// to be unknown. An error where summary.json cannot be read.
absl::StatusOr<nlohmann::ordered_json> ModelCard(const Run& run, const OperatorGraph& graph,
                                                 const std::string& file);

// The card for people. That a model was trained on the embedded sample comes first.
std::string CardMarkdown(const nlohmann::ordered_json& card);

}  // namespace pipeline

#endif  // PIPELINE_EXPORT_MODEL_CARD_H_
