// Draws patients.
#include "datasets/patient_split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "datasets/split.h"

namespace datasets {
namespace {

// How many of `count` patients a fraction holds out.
int64_t HeldOut(double fraction, int64_t count) {
  if (fraction <= 0 || count < 2) return 0;
  return std::clamp<int64_t>(std::llround(fraction * static_cast<double>(count)), 1, count - 1);
}

// Takes the first `count` of the names, shuffled.
void Move(int64_t count, uint64_t seed, pipeline::Phase phase,
          std::map<std::string, pipeline::Phase>* phases, std::vector<std::string>* names) {
  const std::vector<int64_t> order = ShuffledIndices(static_cast<int64_t>(names->size()), seed);
  std::vector<std::string> rest;
  for (size_t i = 0; i < names->size(); ++i) {
    if (order[i] < count) {
      (*phases)[(*names)[i]] = phase;
    } else {
      rest.push_back((*names)[i]);
    }
  }
  *names = std::move(rest);
}

}  // namespace

std::vector<pipeline::Phase> SplitByPatient(const std::vector<SplitCase>& cases,
                                            const DatasetContext& context) {
  std::map<std::string, pipeline::Phase> phases;
  std::set<pipeline::Phase> source;
  for (const SplitCase& one : cases) {
    if (!one.phase) continue;
    pipeline::Phase& phase = phases.emplace(one.patient, *one.phase).first->second;
    phase = std::max(phase, *one.phase);  // TRAIN < VAL < TEST
    source.insert(*one.phase);
  }
  std::set<std::string> unsplit;
  for (const SplitCase& one : cases) {
    if (phases.count(one.patient) == 0) unsplit.insert(one.patient);
  }
  std::vector<std::string> training(unsplit.begin(), unsplit.end());
  if (source.count(pipeline::TEST) == 0) {
    Move(HeldOut(context.test_fraction, static_cast<int64_t>(training.size())), context.seed,
         pipeline::TEST, &phases, &training);
  }
  for (const auto& [patient, phase] : phases) {
    if (phase == pipeline::TRAIN) training.push_back(patient);
  }
  if (source.count(pipeline::VAL) == 0) {
    Move(HeldOut(context.validation_fraction, static_cast<int64_t>(training.size())),
         pipeline::Hash({context.seed}), pipeline::VAL, &phases, &training);
  }
  std::vector<pipeline::Phase> result;
  for (const SplitCase& one : cases) {
    result.push_back(phases.emplace(one.patient, pipeline::TRAIN).first->second);
  }
  return result;
}

}  // namespace datasets
