// The parts of the live line, and which of them fit.
#include "pipeline/cli/progress.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr char kBetween[] = "  ";

struct Part {
  int rank;  // the lower, the more it matters
  std::string text;
};

// In the order in which they are shown.
std::vector<Part> Parts(const Progress& progress) {
  enum { kWhere, kLoss, kLeft, kTerms, kSpeed, kBar, kWait };
  std::vector<Part> parts = {
      {kWhere, absl::StrFormat("epoch %d/%d %s %d/%d", progress.epoch, progress.epochs,
                               Phase_Name(progress.phase), progress.step, progress.steps)}};
  for (const auto& [name, value] : progress.terms) {
    parts.push_back(
        {parts.size() == 1 ? kLoss : kTerms, absl::StrFormat("%s %.4f", Printable(name), value)});
  }
  parts.push_back({kLeft, "eta " + Duration(progress.seconds_left)});
  parts.push_back({kSpeed, absl::StrFormat("%.1f images/s", progress.images_per_second)});
  parts.push_back({kBar, Bar(progress.step, progress.steps)});
  parts.push_back({kWait, absl::StrFormat("data wait %.1f %%", 100 * progress.data_wait)});
  return parts;
}

}  // namespace

std::string ProgressLine(const Progress& progress, size_t width) {
  const std::vector<Part> parts = Parts(progress);
  std::vector<const Part*> by_rank;
  for (const Part& part : parts) by_rank.push_back(&part);
  std::stable_sort(by_rank.begin(), by_rank.end(),
                   [](const Part* a, const Part* b) { return a->rank < b->rank; });
  std::vector<const Part*> chosen;
  size_t used = 0;
  for (const Part* part : by_rank) {
    const size_t more = (used == 0 ? 0 : sizeof(kBetween) - 1) + CharactersIn(part->text);
    // Without its beginning the line says nothing: that is cut, where it must be.
    if (used + more > width && part->rank > 0) break;
    used += more;
    chosen.push_back(part);
  }
  std::sort(chosen.begin(), chosen.end());
  const auto text = [](std::string* out, const Part* part) { out->append(part->text); };
  return FirstCharacters(absl::StrJoin(chosen, kBetween, text), width);
}

}  // namespace pipeline
