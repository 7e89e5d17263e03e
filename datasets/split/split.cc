// Stratified draws of whole groups.
#include "datasets/split/split.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace datasets {
namespace {

using Counts = std::map<int64_t, int64_t>;  // by label

// Items that stay together.
struct Group {
  absl::Span<const size_t> members;
  std::vector<std::pair<int64_t, int64_t>> counts;  // by label
};

// Groups in the order in which their first members come up in a shuffle.
class ShuffledGroups {
 public:
  ShuffledGroups(const std::vector<int64_t>& labels, const std::vector<size_t>& groups,
                 uint64_t seed)
      : labels_(labels), members_(labels.size()), ends_(1) {
    const std::vector<int64_t> order = ShuffledIndices(static_cast<int64_t>(labels.size()), seed);
    absl::flat_hash_map<size_t, size_t> places;
    places.reserve(groups.size());
    for (const int64_t i : order) {
      const auto [place, is_new] = places.emplace(groups[i], places.size());
      if (is_new) ends_.push_back(0);
      ++ends_[place->second + 1];
    }
    std::partial_sum(ends_.begin(), ends_.end(), ends_.begin());
    std::vector<size_t> next(ends_.begin(), ends_.end() - 1);
    for (const int64_t i : order) members_[next[places.at(groups[i])]++] = i;
  }

  // Calls use(group) for each; the group is gone after that.
  template <class Use>
  void ForEach(const Use& use) const {
    Group group;  // most are of one item: none has memory of its own
    for (size_t i = 0; i + 1 < ends_.size(); ++i) {
      group.members = absl::MakeSpan(&members_[ends_[i]], ends_[i + 1] - ends_[i]);
      group.counts.clear();
      for (const size_t member : group.members) {
        const auto is_it = [&](const auto& count) { return count.first == labels_[member]; };
        const auto known = std::find_if(group.counts.begin(), group.counts.end(), is_it);
        if (known != group.counts.end()) {
          ++known->second;
        } else {
          group.counts.emplace_back(labels_[member], 1);
        }
      }
      use(group);
    }
  }

 private:
  const std::vector<int64_t>& labels_;
  std::vector<size_t> members_;  // group by group
  std::vector<size_t> ends_;     // 0, then where each ends
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
  absl::flat_hash_map<size_t, std::optional<pipeline::Phase>> known;
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
  const ShuffledGroups shuffled(labels, groups, seed);
  shuffled.ForEach([&](const Group& group) {
    if (draw.BringsCloser(group) && draw.LeavesSomeOfEach(group)) draw.Take(group);
  });
  for (const int64_t label : draw.Neglected()) {
    std::optional<Group> smallest;
    shuffled.ForEach([&](const Group& group) {
      const auto is_of_it = [label](const auto& count) { return count.first == label; };
      if (std::none_of(group.counts.begin(), group.counts.end(), is_of_it)) return;
      if (smallest.has_value() && group.members.size() >= smallest->members.size()) return;
      if (draw.LeavesSomeOfEach(group)) smallest = group;
    });
    if (smallest.has_value()) draw.Take(*smallest);
  }
  return draw.chosen();
}

std::vector<int> Folds(const std::vector<int64_t>& labels, const std::vector<size_t>& groups,
                       int folds, uint64_t seed) {
  std::vector<int> fold(labels.size(), folds - 1);
  std::vector<size_t> left(labels.size());
  std::iota(left.begin(), left.end(), size_t{0});
  for (int next = 0; next + 1 < folds; ++next) {
    std::vector<int64_t> left_labels;
    std::vector<size_t> left_groups, rest;
    for (const size_t i : left) {
      left_labels.push_back(labels[i]);
      left_groups.push_back(groups[i]);
    }
    const std::vector<bool> chosen =
        ChooseStratified(left_labels, left_groups, 1. / (folds - next), pipeline::Hash({seed, 3}));
    for (size_t i = 0; i < left.size(); ++i) {
      if (chosen[i]) fold[left[i]] = next;
      if (!chosen[i]) rest.push_back(left[i]);
    }
    left = std::move(rest);
  }
  return fold;
}

std::string FoldName(const DatasetContext& context) {
  return absl::StrCat("fold ", context.fold + 1, " of ", context.folds, " by seed ", context.seed);
}

std::string SplitBySeed(const DatasetContext& context, SplitItems* items) {
  Phases& phases = items->phases;
  if (context.folds > 0) {
    const std::vector<int> folds = Folds(items->labels, items->groups, context.folds, context.seed);
    for (size_t i = 0; i < phases.size(); ++i) {
      phases[i] = folds[i] == context.fold ? pipeline::TEST : pipeline::TRAIN;
    }
    Move(pipeline::TRAIN, pipeline::VAL, context.validation_fraction, context.seed, items);
    return FoldName(context);
  }
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
