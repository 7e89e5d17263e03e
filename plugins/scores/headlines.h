// What a person reads of the scores: a few rows, a row for each class, and what must not be missed.
#ifndef PLUGINS_SCORES_HEADLINES_H_
#define PLUGINS_SCORES_HEADLINES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/report.h"
#include "plugins/scores/confusion.h"
#include "plugins/scores/tolerance.h"

namespace plugins {

// Scores that forgive what lies within so many pixels.
struct RadiusScores {
  int64_t radius;
  ToleranceScores scores;
};

void AddImageHeadlines(const ConfusionMetrics& metrics, pipeline::Report* report);
void AddPixelHeadlines(const ConfusionMetrics& metrics, const std::vector<RadiusScores>& tolerant,
                       pipeline::Report* report);

// A row for each class; nothing where `labels` are not those of the counts. Then a remark where
// some class is never predicted. `pixels`: pixels were counted, not images.
void AddClasses(bool pixels, const std::vector<std::string>& labels, const Confusion& counts,
                const ConfusionMetrics& metrics, pipeline::Report* report);

}  // namespace plugins

#endif  // PLUGINS_SCORES_HEADLINES_H_
