// What a study shows, in words, and what speaks against believing it.
#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/report.h"
#include "pipeline/studies/study_sections.h"
#include "pipeline/studies/study_tables.h"

namespace pipeline {
namespace {

constexpr size_t kMostSentences = 3;

bool IsJudged(const Difference& one) {
  switch (Effective(one).verdict) {
    case Verdict::kShown:
    case Verdict::kEqualInPractice:
    case Verdict::kNotAfterCorrection:
    case Verdict::kNoDifferenceShown:
      return !one.seeds.empty();
    default:
      return false;
  }
}

size_t LeftOut(const StageAnalysis& stage) {
  size_t count = 0;
  for (const Difference& one : stage.differences) {
    const Verdict verdict = Effective(one).verdict;
    count += verdict == Verdict::kCollapsed || verdict == Verdict::kNotFinished;
  }
  return count;
}

// The highest differences first; of equals the earlier.
std::vector<const Difference*> HighestFirst(const StageAnalysis& stage) {
  std::vector<const Difference*> sorted;
  for (const Difference& one : stage.differences) {
    if (!one.seeds.empty()) sorted.push_back(&one);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const Difference* a, const Difference* b) {
    return a->comparison.difference > b->comparison.difference;
  });
  return sorted;
}

// A sentence for each that beats the baseline, best first; nothing where none does.
std::vector<std::string> SentencesOfBetter(const std::vector<const Difference*>& sorted) {
  std::vector<std::string> sentences;
  size_t better = 0;
  for (const Difference* one : sorted) {
    if (Effective(*one).verdict != Verdict::kShown || one->comparison.difference <= 0) continue;
    if (++better <= kMostSentences) sentences.push_back(Effective(*one).sentence);
  }
  if (better > kMostSentences) {
    sentences.push_back(absl::StrCat("So do ", better - kMostSentences, " more."));
  }
  return sentences;
}

std::vector<std::string> SentencesOfJudged(const std::vector<const Difference*>& sorted) {
  std::vector<std::string> sentences;
  std::vector<Comparison> family;
  const Difference* promising = nullptr;
  const Difference* worse = nullptr;
  const Difference* only = nullptr;
  size_t count_worse = 0;
  for (const Difference* one : sorted) {
    if (!IsJudged(*one)) continue;
    family.push_back(one->comparison);
    only = one;
    const bool above = one->comparison.difference > 0;
    const Verdict verdict = Effective(*one).verdict;
    if (above && verdict == Verdict::kNotAfterCorrection && promising == nullptr) promising = one;
    if (!above && verdict == Verdict::kShown) {
      worse = one;
      ++count_worse;
    }
  }
  if (family.empty()) return {};
  sentences.push_back(NoneDiffers(family));
  if (promising != nullptr) sentences.push_back(Effective(*promising).sentence);
  if (family.size() == 1 && promising == nullptr) {
    sentences.push_back(Effective(*only).sentence);
  }
  if (worse != nullptr && family.size() > 1) {
    sentences.push_back(count_worse == 1
                            ? Effective(*worse).sentence
                            : absl::StrCat(count_worse, " are shown to be worse; the worst: ",
                                           Effective(*worse).sentence));
  }
  return sentences;
}

// Of what is there but cannot be judged: too few seeds, or all collapsed.
std::vector<std::string> SentencesOfUnjudged(const Plan& plan, const StageAnalysis& stage,
                                             const std::vector<const Difference*>& sorted) {
  for (const Difference* one : sorted) {
    if (Effective(*one).verdict == Verdict::kTooFewSeeds) {
      return {Effective(*one).sentence, "That is the best on TEST of those that were compared."};
    }
  }
  std::vector<std::string> sentences;
  if (!sorted.empty() && stage.cells[stage.baseline].collapsed > 0) {
    const StudyCell& baseline = stage.cells[stage.baseline];
    return {absl::StrCat(plan.combinations[stage.baseline].name,
                         ", to which all are compared, answered one class in ", baseline.collapsed,
                         " of ", CountOf(baseline.seeds.size(), "seed"), ": nothing is compared.")};
  }
  for (const Difference& one : stage.differences) {
    if (sentences.size() < kMostSentences) sentences.push_back(Effective(one).sentence);
  }
  return sentences;
}

std::string LevelText(const Plan& plan, const Difference& one) {
  if (plan.folds > 0) return "training on other parts of these data";
  if (!one.by_image) return "retrained networks, these images";
  return one.seeds.size() < 2 ? "these trained networks, new images"
                              : "retrained networks and new images, not other datasets";
}

double Detectable(const ConfigAnalysis& config, const StageAnalysis& stage) {
  if (!std::isnan(config.optimism.detectable)) return config.optimism.detectable;
  std::vector<double> halves;
  for (const Difference& one : stage.differences) {
    const double half = (one.comparison.alone.high - one.comparison.alone.low) / 2;
    if (!one.seeds.empty() && !std::isnan(half)) halves.push_back(half);
  }
  if (halves.empty()) return kUnknown;
  std::sort(halves.begin(), halves.end());
  return halves[halves.size() / 2];
}

std::string CircumstancesOf(const Plan& plan, const ConfigAnalysis& config,
                            const StageAnalysis& stage) {
  const auto first = std::find_if(stage.differences.begin(), stage.differences.end(),
                                  [](const Difference& one) { return !one.seeds.empty(); });
  if (first == stage.differences.end() || std::isnan(config.majority)) return "";
  Circumstances all;
  all.level = LevelText(plan, *first);
  all.metric = config.metric;
  all.images = first->comparison.images;
  all.seeds = first->comparison.seeds;
  all.family = stage.family;
  if (config.screen.chosen >= 0) {
    all.chosen_by_validation = plan.combinations[config.screen.chosen].name;
  }
  all.optimism = config.optimism.nested.has_value() ? config.optimism.nested->optimism : kUnknown;
  all.majority = config.majority;
  all.detectable = Detectable(config, stage);
  if (std::isnan(all.detectable)) return "";
  const std::string text = AlwaysAdded(all);
  return plan.folds > 0 ? absl::StrReplaceAll(text, {{" seeds", " folds"}}) : text;
}

std::string WhyNothingIsCompared(const Plan& plan, const StageAnalysis& stage) {
  if (plan.combinations.size() < 2)
    return "There is one combination, and nothing to compare it to.";
  const bool any = std::any_of(stage.cells.begin(), stage.cells.end(),
                               [](const StudyCell& cell) { return !cell.seeds.empty(); });
  if (!any) return "No seed of any combination is done yet: nothing is compared.";
  if (stage.baseline < 0) {
    return absl::StrCat("What all are compared to (", stage.baseline_reason,
                        ") is not finished: nothing is compared.");
  }
  return "Nothing that is compared to the baseline is finished yet.";
}

}  // namespace

const Conclusion& Effective(const Difference& difference) {
  return difference.without_leak.has_value() ? *difference.without_leak : difference.conclusion;
}

std::string VerdictName(const Difference& difference) {
  return absl::StrReplaceAll(NameOf(Effective(difference).verdict), {{" ", "\u00a0"}});
}

std::string Plural(const std::string& what) {
  return absl::EndsWith(what, "s") ? what : what + "s";
}

std::string CountOf(size_t count, const std::string& what) {
  return absl::StrCat(Thousands(static_cast<int64_t>(count)), " ",
                      count == 1 ? what : Plural(what));
}

std::string CountsText(const StudyAnalysis& analysis) {
  std::string text =
      absl::StrCat(Thousands(analysis.done), " of ", Thousands(analysis.asked), " runs are done");
  if (analysis.stopped > 0) {
    absl::StrAppend(&text, ", ", Thousands(analysis.stopped), " were stopped by halving");
  }
  if (analysis.failed > 0) absl::StrAppend(&text, ", ", Thousands(analysis.failed), " failed");
  return text;
}

ConfigVerdict VerdictOf(const Plan& plan, const StudyAnalysis& analysis,
                        const ConfigAnalysis& config) {
  ConfigVerdict verdict;
  const bool confirmed =
      std::any_of(config.confirm.differences.begin(), config.confirm.differences.end(),
                  [](const Difference& one) { return !one.seeds.empty(); });
  const StageAnalysis& stage = confirmed ? config.confirm : config.screen;
  verdict.stage = &stage;
  const std::vector<const Difference*> sorted = HighestFirst(stage);
  std::vector<std::string> sentences = SentencesOfBetter(sorted);
  if (sentences.empty()) sentences = SentencesOfJudged(sorted);
  if (sentences.empty()) sentences = SentencesOfUnjudged(plan, stage, sorted);
  if (sentences.empty()) sentences = {WhyNothingIsCompared(plan, stage)};
  const size_t left_out = LeftOut(stage);
  const bool judged = std::any_of(sorted.begin(), sorted.end(),
                                  [](const Difference* one) { return IsJudged(*one); });
  if (judged && left_out > 0) {
    sentences.push_back(absl::StrCat(left_out, " of ", CountOf(stage.family, "comparison"),
                                     left_out == 1 ? " is" : " are",
                                     " left out: collapsed, failed or stopped."));
  }
  if (config.leaks > 0 && !sorted.empty()) {
    sentences[0] = absl::StrCat(
        config.leaks == 1 ? "1 test image is" : absl::StrCat(config.leaks, " test images are"),
        " also in training. Without ", config.leaks == 1 ? "it: " : "them: ", sentences[0]);
  }
  if (!confirmed && !plan.confirm_seeds.empty() && !sorted.empty()) {
    sentences[0] = "Screening, which makes no claim yet: " + sentences[0];
  }
  if (analysis.fusions) {
    // NoneDiffers speaks of any recipe.
    for (std::string& sentence : sentences) {
      sentence = absl::StrReplaceAll(sentence, {{"No recipe", "No fusion"}});
    }
  }
  verdict.sentences = std::move(sentences);
  verdict.circumstances = CircumstancesOf(plan, config, stage);
  return verdict;
}

}  // namespace pipeline
