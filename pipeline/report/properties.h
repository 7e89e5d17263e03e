// What is known of every image, whatever it shows.
#ifndef PIPELINE_REPORT_PROPERTIES_H_
#define PIPELINE_REPORT_PROPERTIES_H_

#include <array>
#include <vector>

#include "pipeline/report/data_page.h"

namespace pipeline {

struct Property {
  const char* name;
  double (*of)(const ImageFacts&);
};
// Size, aspect, brightness, contrast, sharpness (the logarithm of its variance) and color.
extern const std::array<Property, 9> kProperties;

// Whether there are values and all are known, and whether they differ.
bool IsKnown(const std::vector<double>& values);
bool Varies(const std::vector<double>& values);

// The median of each known property of each class over all splits, and how those that vary lie in
// each class and split.
Section PropertiesSection(const DataInfo& data, const std::vector<ImageFacts>& images);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_PROPERTIES_H_
