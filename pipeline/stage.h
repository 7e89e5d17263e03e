// A stage: one node of the graph. Plugins in plugins/ implement it; nothing else meets the graph.
#ifndef PIPELINE_STAGE_H_
#define PIPELINE_STAGE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/data.h"
#include "pipeline/operator_graph.h"
#include "pipeline/precision.h"
#include "pipeline/registry.h"
#include "pipeline/report.h"
#include "pipeline/state.h"

namespace torch::nn {
class Module;
}

namespace pipeline {

class Pool;       // pool.h
class Processes;  // of a run that several processes train together

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
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
using Specs = std::map<std::string, TensorSpec>;  // by port
using Symbols = std::map<std::string, Symbol>;    // by port

struct Ports {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// What a stage may ask when it is built.
struct BuildContext {
  std::string device = "cpu";  // or "cuda:0"; where tensors live after the source
  Precision precision = Train::FP32;
  uint64_t seed = 0;
  int threads = 1;
  // `check` wants tiny batches; a pass then has one of each size that its batches would have.
  int64_t max_batch = INT64_MAX;
  const DataInfo* data = nullptr;  // set once the source is built
  bool writes = true;              // whether files may be written; `check` and `dot` write none
  // Whether weights that options name are read; a run that is opened has its own.
  bool pretrained = true;
  // Whether anyone looks at the colors of the source's images; else they may be decoded to gray.
  bool color = true;
  // Told how many of the files that a source has to read before it is built were, each time that
  // one more is; from one thread at a time.
  std::function<void(int64_t done, int64_t total)> progress;
  // Where sources may keep what they find out about files, with '/' at its end; "" for nowhere.
  std::string facts_folder;
  // What graphs that the process makes one after the other share; nullptr where it makes one.
  Pool* pool = nullptr;
  // Who trains the run with this process; nullptr where it trains alone.
  const Processes* processes = nullptr;

  int NewGeometry() { return ++geometries_; }

 private:
  int geometries_ = 0;
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
  // Run outside TRAIN in ONNX's operators, where `images` that are uint8 come and leave as floats
  // of the same values; refused unless written. It may Tell what it does.
  virtual void Export(const Symbols& in, OperatorGraph* graph, Symbols* out);
  // Reports what was gathered over the phase, and forgets it. `node` is the stage's name.
  virtual void EndPhase(const Step& step, const std::string& node, Report* report) {}
  // What the phase under way has gathered so far, under names that begin with the stage's own: with
  // it a stage that was built anew goes on as if the phase had not been cut. Load follows Build.
  virtual void Save(const std::string& node, State* state) const {}
  virtual absl::Status Load(const std::string& node, const State& state) {
    return absl::OkStatus();
  }
  // The scalar values of the step that just ran, for the progress line: name and value.
  virtual std::vector<std::pair<std::string, double>> Live() const { return {}; }
  // What a user should know once the stage is built, one line each, for the run's header.
  virtual std::vector<std::string> Notes() const { return {}; }
  // What explains an answer. A stage that makes logits keeps, if asked to, of each Run the last
  // feature map [N, C, h, w] that they are made of, and makes it differentiable.
  virtual void KeepFeatures(bool keep) {}
  virtual at::Tensor Features() const { return {}; }
  // Of a stage that adds up losses of its inputs "logits" and "labels": each term's gradient with
  // respect to the logits, as it counts in the sum; of the logits' shape.
  virtual absl::StatusOr<NamedTensors> TermGradients(const Step&, const Tensors& in) {
    return NamedTensors();
  }
  // Parameters and buffers to train, to move to the device and to save; nullptr where there are
  // none.
  virtual torch::nn::Module* module() { return nullptr; }
};

// An image file that is none of the data, as a source would give it.
struct OutsideImage {
  struct Size {
    int64_t width = 0, height = 0;
  };
  // A rectangle in pixels.
  struct Part {
    int64_t x = 0, y = 0, width = 0, height = 0;
  };
  at::Tensor pixels;              // uint8 [C, S, S]
  int64_t width = 0, height = 0;  // of the image that the file shows
  Part from, to;                  // what of it is seen, and where in the square
};

// The stage that the data come from; a graph has one. Calls follow:
// ports* Build (Begin (Samples Run)* EndPhase)*.
class Source : public Stage {
 public:
  // Files that turn out broken later move from the counts of images to `skipped`.
  virtual const DataInfo& data() const = 0;
  // Steps of one pass over a phase. Constant.
  virtual int64_t StepsIn(Phase phase) const = 0;
  // Starts a pass over step.phase of step.epoch at its step.index, which is not 0 where a pass that
  // was cut off goes on.
  virtual absl::Status Begin(const Step& step) = 0;
  // The samples whose rows the batch of a step of this pass has; waits until that is known. Samples
  // that cannot be read are not among them: where none is left the step must not be run.
  virtual std::vector<int64_t> Samples(int64_t index) = 0;
  // Step::repeats of them.
  virtual std::vector<int64_t> Repeats(int64_t index) { return {}; }
  // How messages name a sample: the file's path.
  virtual std::string SampleName(Phase phase, int64_t sample) const = 0;
  // Seconds that Run has waited for data that were not ready, over all passes.
  virtual double WaitSeconds() const { return 0; }
  // Whether a file of that name may be an image.
  virtual bool HasImageName(const std::string& path) const { return false; }
  // An image file, as batches hold those of the data. `color` as BuildContext has it. Errors name
  // the file and say why. Needs no Build; may be called by many threads at a time.
  virtual absl::StatusOr<OutsideImage> ReadOutside(const std::string& path, bool color) const;
  // The same of the image as it is: uint8 [3, height, width].
  virtual absl::StatusOr<at::Tensor> ReadWhole(const std::string& path) const;
  // How large it is, as the file's header tells.
  virtual absl::StatusOr<OutsideImage::Size> SizeOf(const std::string& path) const;
  // Reads headers, or decodes everything; one line per file that cannot be used.
  virtual std::vector<std::string> BrokenFiles(bool decode) = 0;
};

using Stages = Registry<Stage>;

}  // namespace pipeline

#endif  // PIPELINE_STAGE_H_
