// Slices of NIfTI volumes.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <opencv2/imgproc.hpp>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datasets/case_slices.h"
#include "datasets/dataset.h"
#include "datasets/drawn_volume.h"
#include "datasets/files_dataset.h"
#include "datasets/nifti.pb.h"
#include "datasets/nifti_cases.h"
#include "datasets/patient_split.h"
#include "datasets/resize.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr int kDrawnCases = 12;
constexpr size_t kNamed = 10;   // cases left out that are named in notes
constexpr int kMaxReaders = 8;  // each holds a case in memory

// A case before it is read, and after.
struct Case {
  std::string name, patient;
  std::optional<pipeline::Phase> phase;
  ReadVolume read;
  absl::StatusOr<CaseSlices> slices = absl::UnknownError("not read");
};

ReadVolume FromFiles(const NiftiCase& files, const VolumeLimits& limits) {
  std::vector<std::string> paths = files.images;
  paths.push_back(files.segmentation);
  return [paths = std::move(paths), limits](
             int index, const std::optional<Orientation>& unsaid) -> absl::StatusOr<NamedVolume> {
    auto volume = ReadNiftiVolume(paths[index], limits, unsaid);
    if (!volume.ok()) return volume.status();
    return NamedVolume{*std::move(volume), paths[index]};
  };
}

std::vector<Case> DrawnCases() {
  std::vector<Case> cases;
  for (int i = 0; i < kDrawnCases; ++i) {
    const std::string name = absl::StrCat("drawn case ", i);
    cases.push_back({name, name, {}, [i, name](int index, const std::optional<Orientation>&) {
                       return NamedVolume{DrawBrainVolume(i, index), name};
                     }});
  }
  return cases;
}

// Reads all of them on several threads.
void ReadCases(int modalities, const SliceRules& rules, SliceStore* store,
               std::vector<Case>* cases) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < cases->size(); i = next++) {
      Case& one = (*cases)[i];
      one.slices = StoreCase(one.read, modalities, rules, store);
    }
  };
  const auto cores = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxReaders);
  std::vector<std::thread> readers;
  while (readers.size() < std::min(cores, cases->size())) readers.emplace_back(work);
  for (std::thread& reader : readers) reader.join();
}

absl::Status RootError(const std::string& why) {
  return pipeline::OptionError("root", absl::StrCat("root: ", why));
}

void NoteLeftOut(const std::vector<std::string>& left_out, std::vector<std::string>* notes) {
  for (size_t i = 0; i < std::min(left_out.size(), kNamed); ++i) {
    notes->push_back(absl::StrCat("left out: ", left_out[i]));
  }
  if (left_out.size() > kNamed) {
    notes->push_back(absl::StrCat("left out: ", left_out.size() - kNamed, " more cases"));
  }
}

// Gives cases of equal images one patient; returns how many are copies of an earlier one.
int64_t JoinCopies(std::vector<Case>* cases) {
  std::map<uint64_t, std::string> patients;
  int64_t copies = 0;
  for (Case& one : *cases) {
    const auto [first, fresh] = patients.emplace(one.slices->fingerprint, one.patient);
    copies += fresh ? 0 : 1;
    one.patient = first->second;
  }
  return copies;
}

}  // namespace

class Nifti : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const NiftiOptions& options,
                                                         const DatasetContext& context) {
    auto dataset = std::make_unique<Nifti>(options);
    std::vector<Case> cases;
    std::vector<std::string> left_out;
    absl::Status status = dataset->Find(context, &cases, &left_out);
    if (!status.ok()) return status;
    const SliceRules rules = {options.every_nth(), options.min_foreground()};
    ReadCases(dataset->modalities(), rules, &dataset->store_, &cases);
    status = dataset->Take(std::move(cases), context, &left_out);
    if (!status.ok()) return status;
    return dataset;
  }

  explicit Nifti(const NiftiOptions& options)
      : options_(options), store_(int64_t{options.max_decoded_gb()} << 30) {}

  const pipeline::DataInfo& info() const override { return info_; }

  absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const override {
    const Slice& slice = At(phase, index);
    const auto loaded = LoadSlice(slice.stored, modalities(), store_);
    if (!loaded.ok()) return loaded.status();
    Sample sample = {Resized(loaded->image, size), {}, slice.label};
    if (info_.task == pipeline::Task::kSegmentation) {
      cv::resize(loaded->labels, sample.mask, {size, size}, 0, 0, cv::INTER_NEAREST_EXACT);
      cv::LUT(sample.mask, class_of_, sample.mask);
    }
    return sample;
  }

  // Whatever is here was read when the dataset was opened.
  absl::Status CheckHeader(pipeline::Phase, int64_t) const override { return absl::OkStatus(); }

  std::string Name(pipeline::Phase phase, int64_t index) const override {
    const Slice& slice = At(phase, index);
    return absl::StrCat(names_[slice.of], ", slice ", slice.stored.index);
  }

 private:
  struct Slice {
    StoredSlice stored;
    size_t of = 0;  // case
    int64_t label = 0;
  };

  int modalities() const { return static_cast<int>(info_.channels); }
  bool binary() const { return options_.task() == NiftiOptions::BINARY; }
  const Slice& At(pipeline::Phase phase, int64_t index) const {
    return slices_[PhaseIndex(phase)][index];
  }

  static cv::Mat Resized(const cv::Mat& image, int size) {
    std::vector<cv::Mat> channels;
    cv::split(image, channels);
    for (cv::Mat& channel : channels) channel = ResizeBilinear(channel, {size, size});
    cv::Mat resized;
    cv::merge(channels, resized);
    return resized;
  }

  // Names the cases, in files or drawn.
  absl::Status Find(const DatasetContext& context, std::vector<Case>* cases,
                    std::vector<std::string>* left_out) {
    info_.dataset = "nifti";
    info_.task = binary() ? pipeline::Task::kBinary : pipeline::Task::kSegmentation;
    const std::string& root = options_.root();
    if (root.empty()) {
      info_.origin = "embedded sample";
      info_.embedded_sample = true;
      info_.channels = 2;
      *cases = DrawnCases();
      return absl::OkStatus();
    }
    info_.origin = root;
    std::error_code error;
    if (!fs::is_directory(root, error)) return RootError(absl::StrCat("no folder ", root));
    const auto found = FindNiftiCases(
        root,
        {{options_.modalities().begin(), options_.modalities().end()}, options_.segmentation()});
    if (!found.ok()) return RootError(std::string(found.status().message()));
    *left_out = found->left_out;
    info_.channels = static_cast<int64_t>(found->modalities.size());
    if (info_.channels > CV_CN_MAX) return RootError("too many modalities");
    info_.notes.push_back(absl::StrCat("channels: ", absl::StrJoin(found->modalities, ", ")));
    const VolumeLimits limits = {context.max_pixels, options_.max_voxels()};
    for (const NiftiCase& one : found->cases) {
      cases->push_back({(fs::path(root) / one.name).lexically_normal().string(), one.patient,
                        one.phase, FromFiles(one, limits)});
    }
    return absl::OkStatus();
  }

  // Splits what could be read, and labels it.
  absl::Status Take(std::vector<Case> all, const DatasetContext& context,
                    std::vector<std::string>* left_out) {
    std::vector<Case> cases;
    for (Case& one : all) {
      if (absl::IsResourceExhausted(one.slices.status())) {
        return pipeline::OptionError(
            "max_decoded_gb", absl::StrCat("max_decoded_gb: ", one.slices.status().message()));
      }
      if (one.slices.ok()) {
        cases.push_back(std::move(one));
      } else {
        left_out->push_back(std::string(one.slices.status().message()));
      }
    }
    NoteLeftOut(*left_out, &info_.notes);
    if (cases.empty()) {
      return RootError(absl::StrCat(
          "no case in ", info_.origin,
          " can be used; a case is a folder with an image for each modality and a segmentation",
          left_out->empty() ? "" : absl::StrCat("; ", absl::StrJoin(*left_out, "; "))));
    }
    NameClasses(cases);
    const int64_t copies = JoinCopies(&cases);
    info_.duplicates = {{"identical_cases", copies}};
    if (copies > 0) info_.notes.push_back(absl::StrCat("copies among the cases: ", copies));
    std::vector<SplitCase> split;
    for (const Case& one : cases) split.push_back({one.patient, one.phase});
    const std::vector<pipeline::Phase> phases = SplitByPatient(split, context);
    for (size_t i = 0; i < cases.size(); ++i) AddCase(cases[i], PhaseIndex(phases[i]));
    NoteSplit(split);
    return Count();
  }

  void NameClasses(const std::vector<Case>& cases) {
    class_of_ = cv::Mat(1, 256, CV_8UC1, cv::Scalar(1));
    class_of_.at<uint8_t>(0) = 0;
    info_.classes = {binary() ? "no_tumor" : "background", "tumor"};
    if (binary() || options_.labels() == NiftiOptions::WHOLE_TUMOR) return;
    info_.classes = {"background"};
    std::bitset<255> labels;
    for (const Case& one : cases) labels |= one.slices->labels;
    for (int label = 1; label < static_cast<int>(labels.size()); ++label) {
      if (!labels[label]) continue;
      class_of_.at<uint8_t>(label) = static_cast<uint8_t>(info_.classes.size());
      info_.classes.push_back(absl::StrCat("label_", label));
    }
  }

  void AddCase(const Case& one, int phase) {
    names_.push_back(one.name);
    for (const StoredSlice& slice : one.slices->slices) {
      const bool tumor = slice.labelled >= options_.min_tumor_pixels();
      if (binary() && !tumor && slice.labelled > 0) continue;
      slices_[phase].push_back({slice, names_.size() - 1, binary() && tumor ? 1 : 0});
    }
  }

  void NoteSplit(const std::vector<SplitCase>& split) {
    std::set<std::string> patients;
    for (const SplitCase& one : split) patients.insert(one.patient);
    info_.notes.push_back(absl::StrCat(
        "cases: ", split.size(), ", patients: ", patients.size(),
        patients.size() > 1 ? "; split by patient"
                            : "; slices of one patient all train: no VAL and no TEST"));
  }

  absl::Status Count() {
    std::array<std::vector<int64_t>, pipeline::kPhases> labels;
    for (int phase = 0; phase < pipeline::kPhases; ++phase) {
      for (const Slice& slice : slices_[phase]) labels[phase].push_back(slice.label);
    }
    CountClasses(labels, &info_);
    if (binary()) {
      const std::vector<int64_t>& train = info_.class_counts[PhaseIndex(pipeline::TRAIN)];
      if (train[0] > 0 && train[1] > 0) return absl::OkStatus();
      return RootError(absl::StrCat("training slices: ", train[0], " without a tumor, ", train[1],
                                    " with one; it takes both to learn"));
    }
    info_.class_counts = {};
    if (info_.classes.size() > 1) return absl::OkStatus();
    return RootError(absl::StrCat("no label above 0 in ", info_.origin));
  }

  const NiftiOptions options_;
  SliceStore store_;
  pipeline::DataInfo info_;
  cv::Mat class_of_;  // 1 x 256: labels to classes
  std::vector<std::string> names_;
  std::array<std::vector<Slice>, pipeline::kPhases> slices_;
};

REGISTER_PLUGIN(Datasets, Nifti);

}  // namespace datasets
