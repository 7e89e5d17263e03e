// A stage: one node of the graph. Plugins in plugins/ implement it; nothing else meets the graph.
#ifndef PIPELINE_STAGE_H_
#define PIPELINE_STAGE_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/pipeline.pb.h"
#include "pipeline/registry.h"

namespace torch::nn {
class Module;
}

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

// Mixes numbers into one that is uniform over 64 bits. Random draws start from
// Hash(seed, epoch, sample): they depend on no thread, batch layout or earlier draw.
uint64_t Hash(std::initializer_list<uint64_t> numbers);

// What is learned: classes of images, or of pixels.
enum class Task { kBinary, kMulticlass, kSegmentation };
const char* TaskName(Task task);  // "binary", ...

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
  std::vector<std::string> notes;     // what a user should know, one line each
  // Copies among the files: counts by name, for the summary, and a line for each group of copies.
  std::vector<std::pair<std::string, int64_t>> duplicates;
  std::vector<std::string> duplicate_groups;
};

// Names of `count` classes as parts of columns such as "metrics.iou.forest_land": letters, digits,
// underscores, hyphens and what is not ASCII stay, the rest becomes underscores. A class without a
// name is called by its number; where two would get one name, the later has its number added.
std::vector<std::string> ClassColumns(const std::vector<std::string>& classes, int64_t count);

// A tensor on an edge. Extents of -1 are the batch's.
struct TensorSpec {
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  // Tensors of one geometry show the same pixels in the same places. A stage that moves pixels
  // gives its outputs a new one; masks and images of different geometry do not belong together.
  int geometry = 0;
};

// Whether labels (or masks) fit the logits of a model: type, rank, extents, and for masks geometry.
absl::Status CheckLabels(const TensorSpec& logits, const TensorSpec& labels);

using Tensors = std::map<std::string, at::Tensor>;  // by port
using Specs = std::map<std::string, TensorSpec>;    // by port

struct Ports {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// Whether the model computes in float32, bfloat16 or float16 (never Train::AUTO).
using Precision = Train::Precision;

// What a stage may ask when it is built.
struct BuildContext {
  std::string device = "cpu";  // or "cuda:0"; where tensors live after the source
  Precision precision = Train::FP32;
  uint64_t seed = 0;
  int threads = 1;
  int64_t max_batch = INT64_MAX;   // `check` wants a tiny one
  const DataInfo* data = nullptr;  // set once the source is built
  bool writes = true;              // whether files may be written; `check` and `dot` write none
  // Whether anyone looks at the colors of the source's images; else they may be decoded to gray.
  bool color = true;

  int NewGeometry() { return ++geometries_; }

 private:
  int geometries_ = 0;
};

// What stages say at the end of a phase. Values become columns of metrics.csv.
class Report {
 public:
  // `column` is spelt in full: "loss.total", "metrics.accuracy".
  void Add(const std::string& column, double value) { values_.emplace_back(column, value); }
  void AddMatrix(const std::string& name, std::vector<std::vector<int64_t>> rows) {
    matrices_[name] = std::move(rows);
  }
  const std::vector<std::pair<std::string, double>>& values() const { return values_; }
  const std::map<std::string, std::vector<std::vector<int64_t>>>& matrices() const {
    return matrices_;
  }
  // NaN where there is no such column.
  double Find(const std::string& column) const;

 private:
  std::vector<std::pair<std::string, double>> values_;
  std::map<std::string, std::vector<std::vector<int64_t>>> matrices_;
};

// Calls follow: ports* Build (Run* EndPhase)*, on one thread at a time.
class Stage {
 public:
  virtual ~Stage() = default;
  // Names of inputs and outputs. Constant; known before Build.
  virtual Ports ports() const = 0;
  // Checks the inputs' specs and returns the outputs'. Makes parameters; reads data (a Source).
  virtual absl::StatusOr<Specs> Build(const Specs& in, BuildContext* context) = 0;
  // Whether other colors of the same luminance on its inputs would change its outputs.
  virtual bool SeesColor() const { return true; }
  // Computes the outputs of one step.
  virtual absl::Status Run(const Step& step, const Tensors& in, Tensors* out) = 0;
  // Reports what was gathered over the phase, and forgets it. `node` is the stage's name.
  virtual void EndPhase(const Step& step, const std::string& node, Report* report) {}
  // The scalar values of the step that just ran, for the progress line: name and value.
  virtual std::vector<std::pair<std::string, double>> Live() const { return {}; }
  // What a user should know once the stage is built, one line each, for the run's header.
  virtual std::vector<std::string> Notes() const { return {}; }
  // Parameters and buffers to train, to move to the device and to save; nullptr where there are
  // none.
  virtual torch::nn::Module* module() { return nullptr; }
};

// The stage that the data come from; a graph has one. Calls follow:
// ports* Build (Begin (Samples Run)* EndPhase)*.
class Source : public Stage {
 public:
  virtual const DataInfo& data() const = 0;
  // Steps of one pass over a phase.
  virtual int64_t StepsIn(Phase phase) const = 0;
  // Starts a pass over step.phase of step.epoch.
  virtual absl::Status Begin(const Step& step) = 0;
  // The samples of a step of this pass.
  virtual std::vector<int64_t> Samples(int64_t index) const = 0;
  // Step::repeats of a step of this pass.
  virtual std::vector<int64_t> Repeats(int64_t index) const { return {}; }
  // How messages name a sample: the file's path.
  virtual std::string SampleName(Phase phase, int64_t sample) const = 0;
  // Seconds that Run has waited for data that were not ready, over all passes.
  virtual double WaitSeconds() const { return 0; }
  // Reads headers, or decodes everything; one line per file that cannot be used.
  virtual std::vector<std::string> BrokenFiles(bool decode) = 0;
};

using Stages = Registry<Stage>;

}  // namespace pipeline

#endif  // PIPELINE_STAGE_H_
