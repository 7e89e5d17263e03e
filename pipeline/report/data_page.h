// The data's own page: what images there are, whether the splits are alike, and what gives a label
// away beside what the image shows.
#ifndef PIPELINE_REPORT_DATA_PAGE_H_
#define PIPELINE_REPORT_DATA_PAGE_H_

#include <string>
#include <vector>

#include "pipeline/data.h"
#include "pipeline/gallery.h"
#include "pipeline/report/page.h"

namespace pipeline {

// Of one image. What is not known is NaN.
struct ImageFacts {
  Phase phase = TRAIN;
  int label = -1;                // -1: it is not of one class
  double width = 0, height = 0;  // of the file
  // Of what the model is given: from 0 to 255, their standard deviation, and the variance of the
  // Laplacian (low: blurred).
  double brightness = 0, contrast = 0, sharpness = 0;
  double red = 0, green = 0, blue = 0;
  std::vector<double> thumbnail;  // gray, equally many for every image; for the regression
};

// How well something that should not tell classes apart does.
struct Shortcut {
  std::string name;
  double balanced_accuracy = 0;  // of a cross-validated logistic regression on TRAIN
};

// Each property alone (and its square), and the thumbnail: the best first. None where images have
// no classes, or where a class has fewer images than there are folds.
std::vector<Shortcut> FindShortcuts(const std::vector<ImageFacts>& images, int classes);

// How far a property of TRAIN's images and TEST's are apart.
struct Drift {
  std::string name;
  double distance = 0;  // of Kolmogorov and Smirnov
  double p = 1;
};
std::vector<Drift> FindDrifts(const std::vector<ImageFacts>& images);

// What a run's page says of its data, beside what it says itself.
struct DataStory {
  std::vector<Section> sections;  // shortcuts, drift, properties, examples
  // What a reader of a model's accuracy must know: the best shortcut, and in what TEST differs from
  // TRAIN.
  std::vector<Finding> findings;
};
DataStory TellOfData(const DataInfo& data, const std::vector<ImageFacts>& images,
                     const std::vector<Gallery>& galleries);
Page DataPage(const DataInfo& data, const std::vector<ImageFacts>& images,
              const std::vector<Gallery>& galleries);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_DATA_PAGE_H_
