// Samples as numbers, reasons as lines.
#include "plugins/loading/left_out.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace plugins {
namespace {

using pipeline::Phase;

std::string OneLine(const std::string& why) { return absl::StrReplaceAll(why, {{"\n", " "}}); }

}  // namespace

bool LeftOut::Add(const LeftOutSample& sample) {
  return samples_.emplace(std::make_pair(sample.phase, sample.sample), sample.why).second;
}

void LeftOut::Save(const std::string& name, pipeline::State* state) const {
  std::vector<double> numbers;
  std::vector<std::string> texts;
  for (const auto& [sample, why] : samples_) {
    numbers.insert(numbers.end(),
                   {static_cast<double>(sample.first), static_cast<double>(sample.second)});
    texts.push_back(OneLine(why));
  }
  state->Put(name, numbers);
  state->PutText(name + "_why", absl::StrJoin(texts, "\n"));
}

absl::StatusOr<std::vector<LeftOutSample>> LeftOut::Parse(const std::string& name,
                                                          const pipeline::State& state) {
  const auto numbers = state.Numbers(name);
  const auto text = state.Text(name + "_why");
  if (!numbers.ok()) return numbers.status();
  if (!text.ok()) return text.status();
  const std::vector<std::string> texts =
      text->empty() ? std::vector<std::string>() : absl::StrSplit(*text, '\n');
  if (numbers->size() != 2 * texts.size()) {
    return absl::DataLossError(name + " does not hold a reason for each file");
  }
  std::vector<LeftOutSample> all;
  for (size_t i = 0; i < texts.size(); ++i) {
    const double phase = (*numbers)[2 * i], sample = (*numbers)[2 * i + 1];
    const bool is_phase = phase == 1 || phase == 2 || phase == 3;
    constexpr double kMost = 1e15;
    if (!is_phase || !(sample >= 0 && sample < kMost)) {
      return absl::DataLossError(name + " names a sample that is not");
    }
    all.push_back({static_cast<Phase>(phase), static_cast<int64_t>(sample), texts[i]});
  }
  return all;
}

std::string LeftOut::Text() const {
  std::string text;
  for (const auto& [sample, why] : samples_) {
    absl::StrAppend(&text, static_cast<int>(sample.first), " ", sample.second, " ", OneLine(why),
                    "\n");
  }
  return text;
}

std::vector<LeftOutSample> LeftOut::OfText(const std::string& text) {
  std::vector<LeftOutSample> all;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(' ', 2));
    int phase = 0;
    int64_t sample = 0;
    if (parts.size() == 3 && absl::SimpleAtoi(parts[0], &phase) &&
        absl::SimpleAtoi(parts[1], &sample)) {
      all.push_back({static_cast<Phase>(phase), sample, parts[2]});
    }
  }
  return all;
}

}  // namespace plugins
