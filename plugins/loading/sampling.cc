// Draws that depend on no thread and no earlier epoch.
#include "plugins/loading/sampling.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "pipeline/stage.h"

namespace plugins {
namespace {

// Fisher-Yates.
void Shuffle(std::vector<int64_t>* order, uint64_t seed, uint64_t epoch) {
  for (size_t i = order->size(); i > 1; --i) {
    std::swap((*order)[i - 1], (*order)[pipeline::Hash({seed, epoch, i}) % i]);
  }
}

// Deals out the samples of one class, shuffled anew each time they are used up.
class Deck {
 public:
  void Add(int64_t sample) { samples_.push_back(sample); }

  int64_t Deal(uint64_t seed, uint64_t epoch) {
    if (next_ % samples_.size() == 0) Shuffle(&samples_, pipeline::Hash({seed, next_}), epoch);
    return samples_[next_++ % samples_.size()];
  }

 private:
  std::vector<int64_t> samples_;
  uint64_t next_ = 0;
};

}  // namespace

std::vector<int64_t> Shuffled(int64_t count, uint64_t seed, uint64_t epoch) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), int64_t{0});
  Shuffle(&order, seed, epoch);
  return order;
}

std::vector<int64_t> Balanced(const std::vector<int64_t>& labels, uint64_t seed, uint64_t epoch) {
  std::map<int64_t, Deck> decks;
  for (size_t i = 0; i < labels.size(); ++i) decks[labels[i]].Add(static_cast<int64_t>(i));
  std::vector<std::pair<int64_t, Deck*>> turns;
  for (auto& [label, deck] : decks) turns.emplace_back(label, &deck);
  std::vector<int64_t> order;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto& [label, deck] = turns[(i + epoch) % turns.size()];
    order.push_back(deck->Deal(pipeline::Hash({seed, static_cast<uint64_t>(label)}), epoch));
  }
  Shuffle(&order, seed, epoch);
  return order;
}

std::vector<int64_t> RepeatsIn(const std::vector<int64_t>& order) {
  std::map<int64_t, int64_t> seen;
  std::vector<int64_t> repeats;
  for (const int64_t sample : order) repeats.push_back(seen[sample]++);
  return repeats;
}

std::vector<int64_t> BatchSizes(int64_t count, int64_t batch_size, int64_t max_batch) {
  std::vector<int64_t> sizes(count / batch_size, batch_size);
  const int64_t rest = count % batch_size;
  if (rest > 0) sizes.push_back(rest);
  if (max_batch == INT64_MAX) return sizes;
  for (int64_t& size : sizes) size = std::min(size, max_batch);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

std::pair<int64_t, int64_t> RowsOf(int64_t all, int rank, int size) {
  const int64_t each = all / size, more = all % size;
  return {each * rank + std::min<int64_t>(rank, more), each + (rank < more ? 1 : 0)};
}

}  // namespace plugins
