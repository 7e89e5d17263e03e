// A comparison as JSON.
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/json.h"
#include "pipeline/pipeline.pb.h"
#include "pipeline/report/comparison.h"
#include "pipeline/report/judgement.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json ToJson(const RunRecord& run) {
  const Judgement judgement = JudgementOf(run);
  Json scores = Json::object(), intervals = Json::object();
  for (const auto& [name, value] : judgement.values) scores[name] = ToJson(value);
  for (const auto& [name, interval] : judgement.intervals) {
    intervals[name] = {{"low", ToJson(interval.low)}, {"high", ToJson(interval.high)}};
  }
  return {{"run", run.folder},
          {"config", run.config_name},
          {"dataset", run.dataset},
          {"data", run.origin},
          {"embedded_sample", run.embedded_sample},
          {"split", run.split},
          {"scores_of", Phase_Name(judgement.phase)},
          {"scores", scores},
          {"intervals_95", intervals}};
}

Json ToJson(const PairResult& pair, const std::vector<RunRecord>& runs) {
  Json differences = Json::array();
  for (const PairDifference& difference : pair.differences) {
    differences.push_back({{"score", difference.score},
                           {"difference", ToJson(difference.interval.difference)},
                           {"low", ToJson(difference.interval.low)},
                           {"high", ToJson(difference.interval.high)}});
  }
  Json json = {{"first", runs[pair.first].folder},
               {"second", runs[pair.second].folder},
               {"shared_images", pair.test.shared},
               {"warnings", pair.test.reasons},
               {"differences_95", differences}};
  if (pair.has_mcnemar) {
    json["mcnemar"] = {{"only_first_right", pair.mcnemar.only_first},
                       {"only_second_right", pair.mcnemar.only_second},
                       {"mid_p", ToJson(pair.mcnemar.mid_p)},
                       {"mid_p_holm", ToJson(pair.adjusted)}};
  }
  return json;
}

}  // namespace

std::string ComparisonText(const std::vector<RunRecord>& runs) {
  Json comparison = {{"runs", Json::array()}, {"pairs", Json::array()}};
  for (const RunRecord& run : runs) comparison["runs"].push_back(ToJson(run));
  for (const PairResult& pair : PairsOf(runs)) comparison["pairs"].push_back(ToJson(pair, runs));
  return JsonText(comparison);
}

}  // namespace pipeline
