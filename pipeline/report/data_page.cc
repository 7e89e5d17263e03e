// Numbers of images, by class and split, and what follows from them.
#include "pipeline/report/data_page.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/report.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/properties.h"
#include "pipeline/statistics/drift.h"
#include "pipeline/statistics/logistic.h"

namespace pipeline {
namespace {

constexpr int kFolds = 5;
constexpr size_t kMostForRegression = 2000;  // samples; more say hardly more
constexpr double kSuspicious = 0.2;          // above chance, as a share of what there is above it
constexpr double kDrifted = 0.2;             // distance
constexpr double kSure = 0.01;               // p
constexpr int kBins = 24;
constexpr size_t kGroups = 50;

std::vector<double> ValuesOf(const Property& property, const std::vector<ImageFacts>& images,
                             Phase phase) {
  std::vector<double> values;
  for (const ImageFacts& image : images) {
    if (image.phase == phase) values.push_back(property.of(image));
  }
  return values;
}

// The mean over the classes of the share of their samples that are told.
double BalancedAccuracy(const Probabilities& probabilities, const std::vector<int>& labels,
                        int classes) {
  std::vector<double> right(classes), count(classes);
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::vector<double>& row = probabilities[i];
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    ++count[labels[i]];
    right[labels[i]] += best == labels[i];
  }
  double sum = 0;
  for (int c = 0; c < classes; ++c) sum += right[c] / count[c];
  return sum / classes;
}

// Every so-manieth of TRAIN's images with a class.
std::vector<const ImageFacts*> Sampled(const std::vector<ImageFacts>& images) {
  std::vector<const ImageFacts*> train, sampled;
  for (const ImageFacts& image : images) {
    if (image.phase == TRAIN && image.label >= 0) train.push_back(&image);
  }
  const size_t step = (train.size() + kMostForRegression - 1) / kMostForRegression;
  for (size_t i = 0; i < train.size(); i += std::max<size_t>(1, step)) sampled.push_back(train[i]);
  return sampled;
}

double Chance(int classes) { return 1.0 / classes; }

// From 0 (chance) to 1 (every image).
double AboveChance(double balanced_accuracy, int classes) {
  return (balanced_accuracy - Chance(classes)) / (1 - Chance(classes));
}

Section CountsSection(const DataInfo& data) {
  Section section = {"data", "Images", {}};
  section.blocks.emplace_back(Facts{{{"dataset", data.dataset},
                                     {"from", data.origin},
                                     {"task", TaskName(data.task)},
                                     {"split", data.split.empty() ? "-" : data.split}}});
  Table table = {"Images of each split", {"", "TRAIN", "VAL", "TEST"}, {}};
  const auto add = [&](const std::string& name, const auto& count) {
    table.rows.push_back({Text(name), Count(count(0)), Count(count(1)), Count(count(2))});
  };
  add("all", [&](int phase) { return data.images[phase]; });
  for (size_t c = 0; c < data.class_counts[0].size(); ++c) {
    add(data.classes[c], [&](int phase) { return data.class_counts[phase][c]; });
  }
  section.blocks.emplace_back(std::move(table));
  Findings findings;
  if (data.embedded_sample) {
    findings.findings.push_back(
        {Severity::kStop, "These are the embedded sample's drawn images, not real ones.", {}});
  }
  for (const std::string& note : data.notes) {
    findings.findings.push_back({Severity::kNote, note, {}});
  }
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    const auto& skipped = data.skipped[PhaseIndex(phase)];
    if (skipped.empty()) continue;
    findings.findings.push_back(
        {Severity::kCare,
         absl::StrCat(skipped.size(), " files of ", Phase_Name(phase), " cannot be read"),
         skipped});
  }
  if (!findings.findings.empty()) section.blocks.emplace_back(std::move(findings));
  return section;
}

std::string PercentOf(double share) { return absl::StrFormat("%.0f %%", 100 * share); }

Finding ShortcutFinding(const Shortcut& best, int classes) {
  const bool suspicious = AboveChance(best.balanced_accuracy, classes) >= kSuspicious;
  return {suspicious ? Severity::kCare : Severity::kNote,
          absl::StrCat("Without any detail of the image, ", best.name,
                       " alone tells the classes apart with a balanced accuracy of ",
                       PercentOf(best.balanced_accuracy),
                       " on TRAIN (chance: ", PercentOf(Chance(classes)),
                       suspicious ? "). A model's accuracy may rest on it: compare the two."
                                  : "): none gives the label away."),
          {}};
}

Section ShortcutSection(const std::vector<Shortcut>& shortcuts, int classes) {
  Section section = {"shortcuts", "What gives the label away", {}};
  if (shortcuts.empty()) return section;
  section.blocks.emplace_back(Findings{{ShortcutFinding(shortcuts[0], classes)}});
  Intervals intervals = {"Balanced accuracy from one property alone",
                         "",
                         {},
                         Chance(classes),
                         "Logistic regression, cross-validated on TRAIN; the line is chance."};
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  for (const Shortcut& shortcut : shortcuts) {
    intervals.rows.push_back({shortcut.name, kNone, shortcut.balanced_accuracy, kNone, 0});
  }
  section.blocks.emplace_back(Charts{{Draw(intervals)}});
  return section;
}

// Shares of the values of each split, in equal bins.
Plot Histogram(const Property& property, const std::vector<ImageFacts>& images) {
  Plot plot;
  plot.title = property.name;
  plot.up.name = "share of the split";
  plot.across.name = property.name;
  plot.up.low = 0;
  std::vector<double> all;
  for (const ImageFacts& image : images) all.push_back(property.of(image));
  const auto [low, high] = std::minmax_element(all.begin(), all.end());
  const double width = std::max((*high - *low) / kBins, 1e-9);
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    const std::vector<double> values = ValuesOf(property, images, phase);
    if (values.empty()) continue;
    Series series = {Phase_Name(phase), {}, std::vector<double>(kBins), PhaseIndex(phase)};
    for (int bin = 0; bin < kBins; ++bin) series.x.push_back(*low + (bin + 0.5) * width);
    for (const double value : values) {
      const int bin = std::min(kBins - 1, static_cast<int>((value - *low) / width));
      series.y[bin] += 1.0 / static_cast<double>(values.size());
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

std::vector<std::string> FarProperties(const std::vector<Drift>& drifts) {
  std::vector<std::string> far;
  for (const Drift& drift : drifts) {
    if (drift.distance >= kDrifted && drift.p < kSure) far.push_back(drift.name);
  }
  return far;
}

Finding DriftFinding(const std::vector<std::string>& far) {
  if (far.empty()) {
    return {Severity::kNote, "No property of TEST's images lies far from that of TRAIN's.", {}};
  }
  return {Severity::kCare,
          absl::StrCat("TEST's images differ from TRAIN's in ", absl::StrJoin(far, ", "),
                       ": what is learned may not hold there."),
          {}};
}

Section DriftSection(const std::vector<Drift>& drifts, const std::vector<ImageFacts>& images) {
  Section section = {"drift", "Whether TRAIN and TEST are alike", {}};
  if (drifts.empty()) return section;
  section.blocks.emplace_back(Findings{{DriftFinding(FarProperties(drifts))}});
  Table table = {"Distance of the distributions (Kolmogorov-Smirnov: 0 alike, 1 apart)",
                 {"property", "distance", "p"},
                 {},
                 true};
  for (const Drift& drift : drifts) {
    table.rows.push_back({Text(drift.name), Number(drift.distance, 3), Number(drift.p, 3)});
  }
  section.blocks.emplace_back(std::move(table));
  Charts charts;
  for (const Property& property : kProperties) {
    std::vector<double> all;
    for (const ImageFacts& image : images) all.push_back(property.of(image));
    if (IsKnown(all) && Varies(all)) charts.charts.push_back(Draw(Histogram(property, images)));
  }
  section.blocks.emplace_back(std::move(charts));
  return section;
}

Section CopiesSection(const DataInfo& data) {
  Section section = {"copies", "Copies, leaks and conflicts", {}};
  if (data.duplicate_groups.empty()) return section;
  Finding leaks = {Severity::kStop, "", {}}, conflicts = {Severity::kCare, "", {}},
          others = {Severity::kNote, "", {}};
  size_t count[3] = {};
  for (const CopyGroup& group : data.duplicate_groups) {
    const int kind = group.IsAcrossSplits() ? 0 : group.HasConflict() ? 1 : 2;
    Finding* const finding = kind == 0 ? &leaks : kind == 1 ? &conflicts : &others;
    if (++count[kind] <= kGroups) finding->details.push_back(group.Text());
  }
  leaks.text = absl::StrCat(count[0],
                            " groups of copies lie in TEST and outside it: the test result "
                            "is an over-estimate");
  conflicts.text = absl::StrCat(count[1], " groups of copies have more than one label");
  others.text = absl::StrCat(count[2], " more groups of copies");
  Findings findings;
  for (int kind = 0; kind < 3; ++kind) {
    if (count[kind] == 0) continue;
    findings.findings.push_back(kind == 0 ? leaks : kind == 1 ? conflicts : others);
  }
  section.blocks.emplace_back(std::move(findings));
  return section;
}

}  // namespace

std::vector<Shortcut> FindShortcuts(const std::vector<ImageFacts>& images, int classes) {
  const std::vector<const ImageFacts*> sampled = Sampled(images);
  std::vector<int> labels;
  std::map<int, int> counts;
  for (const ImageFacts* image : sampled) {
    labels.push_back(image->label);
    ++counts[image->label];
  }
  const bool enough = classes > 1 && static_cast<int>(counts.size()) == classes &&
                      std::all_of(counts.begin(), counts.end(),
                                  [](const auto& count) { return count.second >= kFolds; });
  if (!enough) return {};
  std::vector<Shortcut> shortcuts;
  const auto add = [&](const std::string& name, const Features& features) {
    shortcuts.push_back({name, BalancedAccuracy(CrossValidated(features, labels, classes, kFolds),
                                                labels, classes)});
  };
  for (const Property& property : kProperties) {
    std::vector<double> values;
    for (const ImageFacts* image : sampled) values.push_back(property.of(*image));
    if (!IsKnown(values) || !Varies(values)) continue;
    Features features;
    for (const double value : values) features.push_back({value, value * value});
    add(property.name, features);
  }
  Features thumbnails;
  for (const ImageFacts* image : sampled) thumbnails.push_back(image->thumbnail);
  if (!thumbnails[0].empty()) {
    add(absl::StrCat("a thumbnail of ", thumbnails[0].size(), " gray pixels"), thumbnails);
  }
  std::stable_sort(shortcuts.begin(), shortcuts.end(), [](const Shortcut& a, const Shortcut& b) {
    return a.balanced_accuracy > b.balanced_accuracy;
  });
  return shortcuts;
}

std::vector<Drift> FindDrifts(const std::vector<ImageFacts>& images) {
  std::vector<Drift> drifts;
  for (const Property& property : kProperties) {
    const std::vector<double> train = ValuesOf(property, images, TRAIN);
    const std::vector<double> test = ValuesOf(property, images, TEST);
    if (!IsKnown(train) || !IsKnown(test)) continue;
    const KolmogorovSmirnov result = KolmogorovSmirnovTest(train, test);
    drifts.push_back({property.name, result.distance, result.p});
  }
  std::stable_sort(drifts.begin(), drifts.end(),
                   [](const Drift& a, const Drift& b) { return a.distance > b.distance; });
  return drifts;
}

DataStory TellOfData(const DataInfo& data, const std::vector<ImageFacts>& images,
                     const std::vector<Gallery>& galleries) {
  const auto classes = static_cast<int>(data.classes.size());
  const std::vector<Shortcut> shortcuts = FindShortcuts(images, classes);
  const std::vector<Drift> drifts = FindDrifts(images);
  DataStory story;
  if (!shortcuts.empty()) story.findings.push_back(ShortcutFinding(shortcuts[0], classes));
  const std::vector<std::string> far = FarProperties(drifts);
  if (!far.empty()) story.findings.push_back(DriftFinding(far));
  Section examples = {"examples", "Examples", {}};
  for (const Gallery& gallery : galleries) examples.blocks.emplace_back(gallery);
  for (Section& section :
       std::vector<Section>{ShortcutSection(shortcuts, classes), DriftSection(drifts, images),
                            PropertiesSection(data, images), std::move(examples)}) {
    if (!section.blocks.empty()) story.sections.push_back(std::move(section));
  }
  return story;
}

Page DataPage(const DataInfo& data, const std::vector<ImageFacts>& images,
              const std::vector<Gallery>& galleries) {
  Page page = {absl::StrCat("Data: ", data.dataset), data.origin, {CountsSection(data)}};
  Section copies = CopiesSection(data);
  if (!copies.blocks.empty()) page.sections.push_back(std::move(copies));
  DataStory story = TellOfData(data, images, galleries);
  for (Section& section : story.sections) {
    page.sections.push_back(std::move(section));
  }
  return page;
}

}  // namespace pipeline
