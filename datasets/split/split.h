// Which split each file of a dataset goes to, by seed.
#ifndef DATASETS_SPLIT_SPLIT_H_
#define DATASETS_SPLIT_SPLIT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace datasets {

// Of a dataset's files, by their index.
using Phases = std::vector<std::optional<pipeline::Phase>>;

// The phase of a file that no split has yet.
constexpr std::optional<pipeline::Phase> kUnsplit = std::nullopt;

// The phase whose images a folder of such a name holds, in any case: train or training; val, valid
// or validation; test or testing.
std::optional<pipeline::Phase> PhaseNamed(const std::string& folder);

// Draws indices 0..n-1 in an order that depends on the seed alone.
std::vector<int64_t> ShuffledIndices(int64_t n, uint64_t seed);

// Chooses about `fraction` (in [0, 1)) of the items of each label. Items of one group go as a
// whole, if that brings the counts no further from those wanted; where every group of a label is
// too large for that, its smallest goes rather than none. At least one group of each label stays
// behind. A pure function of its arguments, to which only equality of groups matters.
std::vector<bool> ChooseStratified(const std::vector<int64_t>& labels,
                                   const std::vector<size_t>& groups, double fraction,
                                   uint64_t seed);

// The fold of each item, in [0, folds): of each label about as many in each, groups whole. A pure
// function of its arguments.
std::vector<int> Folds(const std::vector<int64_t>& labels, const std::vector<size_t>& groups,
                       int folds, uint64_t seed);

// "fold 2 of 5 by seed 0".
std::string FoldName(const DatasetContext& context);

// A dataset's files, by their index.
struct SplitItems {
  std::vector<int64_t> labels;  // what is stratified
  std::vector<size_t> groups;   // items of a group stay together
  Phases phases;
};

// Gives each unsplit item a phase: that of the others of its group, if they have one (TEST before
// VAL before TRAIN); else TEST by context.test_fraction, unless items were in TEST before, and
// TRAIN. Then moves context.validation_fraction of TRAIN to VAL, unless items were in VAL before.
// Items that had a phase keep it otherwise. Returns what came from where: "folders, VAL by seed 0".
// With context.folds no phase is kept: TEST is context.fold of Folds.
std::string SplitBySeed(const DatasetContext& context, SplitItems* items);

}  // namespace datasets

#endif  // DATASETS_SPLIT_SPLIT_H_
