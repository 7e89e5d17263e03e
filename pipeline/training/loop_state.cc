// What a loop saves, and how it goes on from that.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "pipeline/clock.h"
#include "pipeline/count.h"
#include "pipeline/training/loop.h"

namespace pipeline {
namespace {

// Prefixes of names. Those of nodes are the user's, and must not meet the loop's own.
constexpr char kGraph[] = "graph/", kStages[] = "stages/", kTrained[] = "trained/";

constexpr char kCounters[] = "loop.counters", kPlace[] = "loop.place";

double Number(int64_t count) { return static_cast<double>(count); }

bool AreCounts(std::initializer_list<double> numbers) {
  return std::all_of(numbers.begin(), numbers.end(), IsCount);
}

bool AreSeconds(std::initializer_list<double> numbers) {
  constexpr double kMost = 1e10;  // centuries
  return std::all_of(numbers.begin(), numbers.end(),
                     [](double number) { return number >= 0 && number <= kMost; });
}

}  // namespace

void Loop::SaveSums(State* state) const {
  for (const Graph::NodeEntry& node : graph_.nodes()) node.stage->Save(node.name, state);
}

absl::Status Loop::LoadSums(const State& state, bool source_alone) {
  for (const Graph::NodeEntry& node : graph_.nodes()) {
    if (source_alone && node.stage.get() != &graph_.source()) continue;
    const absl::Status loaded = node.stage->Load(node.name, state);
    if (!loaded.ok()) return loaded;
  }
  return absl::OkStatus();
}

Counters Loop::SoFar() const {
  Counters counters = counters_;
  if (place_.phase != TRAIN) return counters;
  counters.train_images += place_.images;
  counters.train_seconds += place_.seconds;
  counters.train_wait_seconds += place_.wait_seconds;
  return counters;
}

void Loop::SaveCounters(State* state) const {
  const Counters& c = counters_;
  const double seconds = started_ > 0 ? Now() - started_ : c.seconds;
  state->Put(kCounters, {Number(c.epochs), Number(c.steps), Number(c.train_images), c.train_seconds,
                         c.train_wait_seconds, seconds, c.startup_seconds, Number(c.skipped_steps),
                         Number(c.rollbacks)});
  state->Put(kPlace,
             {Number(place_.phase), Number(place_.index), Number(place_.images), place_.seconds,
              place_.wait_seconds, learning_rate_, Number(skipped_in_a_row_)});
}

absl::Status Loop::LoadCounters(const State& state) {
  const auto counters = state.Numbers(kCounters, 9);
  if (!counters.ok()) return counters.status();
  const auto place = state.Numbers(kPlace, 7);
  if (!place.ok()) return place.status();
  const std::vector<double>&c = *counters, &p = *place;
  const bool sound = AreCounts({c[0], c[1], c[2], c[7], c[8], p[1], p[2], p[6]}) &&
                     AreSeconds({c[3], c[4], c[5], c[6], p[3], p[4]}) && std::isfinite(p[5]) &&
                     (p[0] == Number(TRAIN) || (p[0] == Number(VAL) && HasValidation()));
  if (!sound) return absl::DataLossError("loop.counters and loop.place say nothing sensible");
  const auto count = [](double number) { return static_cast<int64_t>(number); };
  if (c[0] > options_.epochs()) {
    return absl::InvalidArgumentError(absl::StrCat("train.epochs is ", options_.epochs(), ", but ",
                                                   count(c[0]), " epochs are done"));
  }
  const auto phase = static_cast<Phase>(p[0]);
  if (p[1] > Number(graph_.source().StepsIn(phase))) {
    return absl::DataLossError(absl::StrCat("it stands at step ", count(p[1]) + 1, " of ",
                                            graph_.source().StepsIn(phase), " (", Phase_Name(phase),
                                            ")"));
  }
  counters_ = {count(c[0]), count(c[1]), count(c[2]), c[3],       c[4],
               c[5],        c[6],        count(c[7]), count(c[8])};
  place_ = {phase, count(p[1]), count(p[2]), p[3], p[4]};
  learning_rate_ = p[5];
  skipped_in_a_row_ = count(p[6]);
  return absl::OkStatus();
}

absl::Status Loop::Save(State* state) const {
  for (const auto& [name, tensor] : graph_.State()) state->Put(kGraph + name, tensor);
  optimizer_.Save(state);
  monitor_.Save(state);
  if (scaler_.has_value()) scaler_->Save(state);
  if (average_.has_value()) average_->Save(state);
  SaveCounters(state);
  State stages;
  SaveSums(&stages);
  state->PutAll(kStages, stages);
  if (place_.phase == VAL) state->PutAll(kTrained, train_sums_);
  return Tell([&](Observer* observer) { return observer->Save(state); });
}

absl::Status Loop::Load(const State& state) {
  absl::Status loaded = LoadCounters(state);
  for (const auto& [name, tensor] : graph_.State()) {
    if (loaded.ok()) loaded = state.CopyTo(kGraph + name, tensor);
  }
  if (loaded.ok()) loaded = optimizer_.Load(state);
  if (loaded.ok() && scaler_.has_value()) loaded = scaler_->Load(state);
  if (loaded.ok() && average_.has_value()) {
    // Where the state has no average, it begins with these weights.
    average_.emplace(options_.ema_decay(), graph_.Parameters());
    loaded = average_->Load(state);
  }
  if (loaded.ok()) loaded = monitor_.Load(state, HasValidation() ? counters_.epochs : 0);
  if (!loaded.ok()) return loaded;
  // What stages have gathered since is forgotten.
  Report none;
  loaded = graph_.EndPhase(FirstStep(place_.phase, counters_.epochs), &none);
  train_ = Report();
  if (loaded.ok() && place_.phase == VAL) {
    train_sums_ = state.Part(kTrained);
    loaded = LoadSums(train_sums_);
    if (loaded.ok()) loaded = graph_.EndPhase(FirstStep(TRAIN, counters_.epochs), &train_);
  }
  // Before the first step of an epoch there are no sums but what the source knows of its files.
  const bool begun = place_.phase != TRAIN || place_.index > 0;
  if (loaded.ok()) loaded = LoadSums(state.Part(kStages), /*source_alone=*/!begun);
  for (Observer* observer : observers_) {
    if (loaded.ok()) loaded = observer->Load(state);
  }
  if (loaded.ok()) started_ = Now() - counters_.seconds;
  return loaded;
}

}  // namespace pipeline
