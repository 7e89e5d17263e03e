// The order in which a pass over the training images shows them.
#ifndef PLUGINS_LOADING_SAMPLING_H_
#define PLUGINS_LOADING_SAMPLING_H_

#include <cstdint>
#include <utility>
#include <vector>

namespace plugins {

// Each of 0..count-1 once, in an order that depends on seed and epoch alone.
std::vector<int64_t> Shuffled(int64_t count, uint64_t seed, uint64_t epoch);

// As many samples as there are labels, each class equally often (by turns once more, where the
// number of classes does not divide that of samples), in an order that depends on labels, seed and
// epoch alone. Within a class all samples come up before one comes up again.
std::vector<int64_t> Balanced(const std::vector<int64_t>& labels, uint64_t seed, uint64_t epoch);

// Of the batches of a pass over `count` samples. Where at most `max_batch` (INT64_MAX: any number)
// may be in one, there is one batch of each size that they then have.
std::vector<int64_t> BatchSizes(int64_t count, int64_t batch_size, int64_t max_batch);

// The rows of a batch of `all` that one of `size` processes has: the first, and how many. Where
// they do not come out even, the first processes have one more.
std::pair<int64_t, int64_t> RowsOf(int64_t all, int rank, int size);

// How often each of an order was there before.
std::vector<int64_t> RepeatsIn(const std::vector<int64_t>& order);

}  // namespace plugins

#endif  // PLUGINS_LOADING_SAMPLING_H_
