// What is known of data and of where a run is in them: phases, steps, tasks, classes. No tensors.
#ifndef PIPELINE_DATA_H_
#define PIPELINE_DATA_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/pipeline.pb.h"

namespace pipeline {

// Labels with this value are ignored: they weigh nothing in losses and metrics.
constexpr int64_t kIgnoredLabel = -100;

constexpr int kPhases = 3;
inline int PhaseIndex(Phase phase) { return static_cast<int>(phase) - TRAIN; }

// Where the run is. Epochs and steps count from 0.
struct Step {
  Phase phase = TRAIN;
  int64_t epoch = 0;
  int64_t epochs = 1;
  int64_t index = 0;             // step within the epoch's phase
  int64_t steps = 0;             // how many there are
  uint64_t seed = 0;             // of the run
  std::vector<int64_t> samples;  // the batch, as indices into the dataset's phase
  // How often each of them was in this pass before; empty where a pass has each sample once.
  std::vector<int64_t> repeats;

  // What random draws for the batch's item `i` start from, beside seed and epoch: the sample, and
  // another number each time that it comes again.
  int64_t Drawing(size_t i) const {
    return repeats.empty() ? samples[i] : samples[i] + (repeats[i] << 40);
  }
};

// "step 3 of epoch 1 (TRAIN)", as messages count.
std::string StepName(const Step& step);

// Mixes numbers into one that is uniform over 64 bits. Random draws start from
// Hash(seed, epoch, sample): they depend on no thread, batch layout or earlier draw.
uint64_t Hash(std::initializer_list<uint64_t> numbers);

// What is learned: classes of images, or of pixels.
enum class Task { kBinary, kMulticlass, kSegmentation };
const char* TaskName(Task task);  // "binary", ...

// A file, what it shows and which split it is in.
struct FileRef {
  std::string path;
  int64_t label = 0;
  Phase phase = TRAIN;
};

// Files that are copies of each other.
struct CopyGroup {
  bool identical = false;  // in every byte; else in what they show
  std::vector<FileRef> files;

  bool IsAcrossSplits() const;  // some are in TEST, others not
  bool HasConflict() const;     // they have more than one label
  // "identical, across splits, different labels: a.png (TRAIN, label 0), b.png (TEST, label 1)".
  std::string Text() const;
};

// What the source of a graph knows about its data.
struct DataInfo {
  std::string dataset;  // "brain_tumor"
  std::string origin;   // the folder, or "embedded sample"
  bool embedded_sample = false;
  Task task = Task::kMulticlass;
  int64_t channels = 3;              // of the images; 3 are RGB
  std::vector<std::string> classes;  // by label
  std::string split;                 // where it came from: "by seed 0", "folders", ...
  std::string split_text;            // what a split file says of it; "" where images are drawn
  // Images of each class, by PhaseIndex; empty for segmentation.
  std::array<std::vector<int64_t>, kPhases> class_counts;
  std::array<int64_t, kPhases> images = {0, 0, 0};
  std::vector<int64_t> train_labels;  // of the images of TRAIN; empty for segmentation
  // Files that cannot be read, "PATH: why", by PhaseIndex: they are in no count above.
  std::array<std::vector<std::string>, kPhases> skipped;
  std::vector<std::string> notes;  // what a user should know, one line each
  // Copies among the files: counts by name, for the summary, and the groups.
  std::vector<std::pair<std::string, int64_t>> duplicates;
  std::vector<CopyGroup> duplicate_groups;

  // A file of several samples is named once.
  void AddSkipped(Phase phase, const std::string& why);
};

// Names of `count` classes as parts of columns such as "metrics.iou.forest_land": letters, digits,
// underscores, hyphens and characters beyond ASCII stay, the rest (each byte that is not UTF-8 too,
// as ValidUtf8 shows it) becomes underscores. A class without a name is called by its number; where
// two would get one name, the later has its number added.
std::vector<std::string> ClassColumns(const std::vector<std::string>& classes, int64_t count);

}  // namespace pipeline

#endif  // PIPELINE_DATA_H_
