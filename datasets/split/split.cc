// Stratified draws of whole groups.
#include "datasets/split/split.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace datasets {
namespace {

using Counts = std::map<int64_t, int64_t>;  // by label

struct Group {
  std::vector<size_t> members;
  Counts counts;
};

class Draw {
 public:
  Draw(const std::vector<int64_t>& labels, double fraction) : chosen_(labels.size()) {
    for (const int64_t label : labels) ++left_[label];
    for (const auto& [label, count] : left_) {
      wanted_[label] = std::llround(fraction * static_cast<double>(count));
    }
  }

  bool BringsCloser(const Group& group) const {
    int64_t closer = 0;
    for (const auto& [label, count] : group.counts) {
      const int64_t missing = wanted_.at(label);
      closer += std::abs(missing) - std::abs(missing - count);
    }
    return closer >= 0;
  }

  bool LeavesSomeOfEach(const Group& group) const {
    return std::all_of(group.counts.begin(), group.counts.end(),
                       [this](const auto& count) { return left_.at(count.first) > count.second; });
  }

  void Take(const Group& group) {
    for (const size_t i : group.members) chosen_[i] = true;
    for (const auto& [label, count] : group.counts) {
      wanted_[label] -= count;
      left_[label] -= count;
      taken_[label] += count;
    }
  }

  // Labels of which some were wanted and none were taken.
  std::vector<int64_t> Neglected() const {
    std::vector<int64_t> labels;
    for (const auto& [label, missing] : wanted_) {
      if (missing > 0 && taken_.count(label) == 0) labels.push_back(label);
    }
    return labels;
  }

  const std::vector<bool>& chosen() const { return chosen_; }

 private:
  std::vector<bool> chosen_;
  Counts wanted_, left_, taken_;
};

// In the order in which their first members come up.
std::vector<Group> ShuffledGroups(const std::vector<int64_t>& labels,
                                  const std::vector<size_t>& groups, uint64_t seed) {
  std::vector<Group> shuffled;
  std::map<size_t, size_t> places;
  for (const int64_t i : ShuffledIndices(static_cast<int64_t>(labels.size()), seed)) {
    const auto [place, is_new] = places.emplace(groups[i], shuffled.size());
    if (is_new) shuffled.emplace_back();
    Group& group = shuffled[place->second];
    group.members.push_back(i);
    ++group.counts[labels[i]];
  }
  return shuffled;
}

// Moves a fraction of the items in `from` to `to`.
void Move(std::optional<pipeline::Phase> from, pipeline::Phase to, double fraction, uint64_t seed,
          SplitItems* items) {
  std::vector<size_t> indices;
  std::vector<int64_t> labels;
  std::vector<size_t> groups;
  for (size_t i = 0; i < items->phases.size(); ++i) {
    if (items->phases[i] != from) continue;
    indices.push_back(i);
    labels.push_back(items->labels[i]);
    groups.push_back(items->groups[i]);
  }
  const std::vector<bool> chosen = ChooseStratified(labels, groups, fraction, seed);
  for (size_t i = 0; i < indices.size(); ++i) {
    if (chosen[i]) items->phases[indices[i]] = to;
  }
}

void FollowGroups(SplitItems* items) {
  std::map<size_t, std::optional<pipeline::Phase>> known;
  for (size_t i = 0; i < items->phases.size(); ++i) {
    std::optional<pipeline::Phase>& phase = known.emplace(items->groups[i], kUnsplit).first->second;
    phase = std::max(phase, items->phases[i]);  // kUnsplit < TRAIN < VAL < TEST
  }
  for (size_t i = 0; i < items->phases.size(); ++i) {
    if (items->phases[i] == kUnsplit) items->phases[i] = known.at(items->groups[i]);
  }
}

}  // namespace

std::optional<pipeline::Phase> PhaseNamed(const std::string& folder) {
  const std::string name = absl::AsciiStrToLower(folder);
  if (name == "train" || name == "training") return pipeline::TRAIN;
  if (name == "val" || name == "valid" || name == "validation") return pipeline::VAL;
  if (name == "test" || name == "testing") return pipeline::TEST;
  return std::nullopt;
}

std::vector<int64_t> ShuffledIndices(int64_t n, uint64_t seed) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  for (auto i = static_cast<uint64_t>(n); i > 1; --i) {
    std::swap(order[i - 1], order[pipeline::Hash({seed, i}) % i]);
  }
  return order;
}

std::vector<bool> ChooseStratified(const std::vector<int64_t>& labels,
                                   const std::vector<size_t>& groups, double fraction,
                                   uint64_t seed) {
  Draw draw(labels, fraction);
  if (fraction <= 0) return draw.chosen();
  const std::vector<Group> shuffled = ShuffledGroups(labels, groups, seed);
  for (const Group& group : shuffled) {
    if (draw.BringsCloser(group) && draw.LeavesSomeOfEach(group)) draw.Take(group);
  }
  for (const int64_t label : draw.Neglected()) {
    const Group* smallest = nullptr;
    for (const Group& group : shuffled) {
      if (group.counts.count(label) == 0 || !draw.LeavesSomeOfEach(group)) continue;
      if (smallest == nullptr || group.members.size() < smallest->members.size()) smallest = &group;
    }
    if (smallest != nullptr) draw.Take(*smallest);
  }
  return draw.chosen();
}

std::string SplitBySeed(const DatasetContext& context, SplitItems* items) {
  Phases& phases = items->phases;
  const auto has = [&phases](std::optional<pipeline::Phase> phase) {
    return std::find(phases.begin(), phases.end(), phase) != phases.end();
  };
  const bool given_test = has(pipeline::TEST), given_val = has(pipeline::VAL),
             given_any = given_test || given_val || has(pipeline::TRAIN);
  FollowGroups(items);
  const bool unsplit = has(kUnsplit);
  if (!given_test) {
    // A seed of its own, lest TEST and VAL were drawn by the same numbers.
    const uint64_t seed = pipeline::Hash({context.seed, 2});
    Move(kUnsplit, pipeline::TEST, context.test_fraction, seed, items);
  }
  std::replace(phases.begin(), phases.end(), kUnsplit, std::optional(pipeline::TRAIN));
  if (!given_val) {
    Move(pipeline::TRAIN, pipeline::VAL, context.validation_fraction, context.seed, items);
  }
  const std::string seed = absl::StrCat("by seed ", context.seed);
  if (!given_any) return seed;
  if (unsplit) return absl::StrCat("folders, the rest ", seed);
  const bool drawn = !given_val && context.validation_fraction > 0;
  return drawn ? absl::StrCat("folders, VAL ", seed) : "folders";
}

}  // namespace datasets
