// Slices of volumes: reading, splitting, counting.
#include "datasets/volumes/volume_dataset.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <opencv2/core.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datasets/folders/files_dataset.h"
#include "datasets/folders/source_folders.h"
#include "datasets/images/fit.h"
#include "datasets/split/file_facts.h"
#include "datasets/split/patient_split.h"
#include "datasets/split/split.h"
#include "datasets/split/split_file.h"
#include "pipeline/all_cores.h"
#include "pipeline/exceptions.h"
#include "pipeline/files.h"
#include "pipeline/utf8.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

using pipeline::PhaseIndex;

constexpr size_t kNamed = 10;      // cases left out that are named in notes
constexpr size_t kMaxReaders = 8;  // each holds a case in memory

struct Case {
  VolumeCase source;
  absl::StatusOr<CaseSlices> slices = absl::UnknownError("not read");
};

// Reads all of them on several threads; what is thrown is the case's error.
void ReadCases(int modalities, const SliceRules& rules, SliceStore* store,
               std::vector<Case>* cases) {
  pipeline::OnAllCores(cases->size(), kMaxReaders, [&](size_t i) {
    Case& one = (*cases)[i];
    const absl::Status read = pipeline::Caught([&] {
      one.slices = StoreCase(one.source.read, modalities, rules, store);
      return absl::OkStatus();
    });
    if (!read.ok()) {
      one.slices = absl::InternalError(absl::StrCat(one.source.name, ": ", read.message()));
    }
  });
}

void NoteLeftOut(const std::vector<std::string>& left_out, std::vector<std::string>* notes) {
  for (size_t i = 0; i < std::min(left_out.size(), kNamed); ++i) {
    notes->push_back(absl::StrCat("left out: ", left_out[i]));
  }
  if (left_out.size() > kNamed) {
    notes->push_back(absl::StrCat("left out: ", left_out.size() - kNamed, " more cases"));
  }
}

// Makes patients with equal images one; returns how many cases are copies of an earlier one.
int64_t JoinCopies(std::vector<Case>* cases) {
  std::map<uint64_t, std::string> patients;
  int64_t copies = 0;
  for (const Case& one : *cases) {
    const auto [first, fresh] = patients.emplace(one.slices->fingerprint, one.source.patient);
    if (fresh) continue;
    ++copies;
    const std::string from = one.source.patient, to = first->second;
    for (Case& other : *cases) {
      if (other.source.patient == from) other.source.patient = to;
    }
    for (auto& [fingerprint, patient] : patients) {
      if (patient == from) patient = to;
    }
  }
  return copies;
}

// There may be more channels than an image has.
cv::Mat Fitted(const cv::Mat& image, int size, Fit fit) {
  std::vector<cv::Mat> channels;
  cv::split(image, channels);
  for (cv::Mat& channel : channels) channel = FitImage(channel, size, fit);
  cv::Mat fitted;
  cv::merge(channels, fitted);
  return fitted;
}

class VolumeDataset : public Dataset {
 public:
  VolumeDataset(pipeline::DataInfo info, const VolumeOptions& options, Fit fit)
      : options_(options), fit_(fit), info_(std::move(info)), store_(options.max_decoded_bytes) {}

  // Reads, splits and labels. Called once, before all else.
  absl::Status Take(const std::vector<VolumeCase>& sources, std::vector<std::string> left_out,
                    const DatasetContext& context) {
    std::vector<Case> all, cases;
    for (const VolumeCase& source : sources) all.push_back({source});
    ReadCases(modalities(), options_.rules, &store_, &all);
    const absl::Status status = KeepRead(std::move(all), &cases, &left_out);
    if (!status.ok()) return status;
    NoteLeftOut(left_out, &info_.notes);
    if (cases.empty()) {
      return RootError(absl::StrCat(
          "no case in ", info_.origin,
          " can be used; a case is a folder with an image for each modality and a segmentation",
          left_out.empty() ? "" : absl::StrCat("; ", absl::StrJoin(left_out, "; "))));
    }
    NameClasses(cases);
    const int64_t copies = JoinCopies(&cases);
    info_.duplicates = {{"identical_cases", copies}};
    if (copies > 0) info_.notes.push_back(absl::StrCat("copies among the cases: ", copies));
    facts_ = FactsAbout(info_.origin, context.facts, context.write_split);
    const auto phases = Split(cases, context);
    if (!phases.ok()) return phases.status();
    facts_->Save();
    for (std::string& note : facts_->TakeNotes()) info_.notes.push_back(std::move(note));
    for (size_t i = 0; i < cases.size(); ++i) {
      if ((*phases)[i].has_value()) AddCase(cases[i], *(*phases)[i]);
    }
    const absl::Status counted = Count();
    MakeTextsValid(&info_);
    return counted;
  }

  const pipeline::DataInfo& info() const override { return info_; }

  absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const override {
    const Slice& slice = At(phase, index);
    const auto loaded = LoadSlice(slice.stored, modalities(), store_);
    if (!loaded.ok()) return loaded.status();
    Sample sample = {Fitted(loaded->image, size, fit_), {}, slice.label};
    if (info_.task == pipeline::Task::kSegmentation) {
      sample.mask = FitMask(loaded->labels, size, fit_, kIgnoredMask);
      cv::LUT(sample.mask, class_of_, sample.mask);
    }
    return sample;
  }

  // Whatever is here was read when the dataset was opened.
  absl::Status CheckHeader(pipeline::Phase, int64_t) const override { return absl::OkStatus(); }

  std::string Name(pipeline::Phase phase, int64_t index) const override {
    const Slice& slice = At(phase, index);
    return absl::StrCat(pipeline::ValidUtf8(names_[slice.of]), ", slice ", slice.stored.index);
  }

 private:
  struct Slice {
    StoredSlice stored;
    size_t of = 0;  // case
    int64_t label = 0;
  };

  int modalities() const { return static_cast<int>(info_.channels); }
  bool binary() const { return info_.task == pipeline::Task::kBinary; }
  const Slice& At(pipeline::Phase phase, int64_t index) const {
    return slices_[PhaseIndex(phase)][index];
  }

  static absl::Status KeepRead(std::vector<Case> all, std::vector<Case>* cases,
                               std::vector<std::string>* left_out) {
    for (Case& one : all) {
      if (absl::IsResourceExhausted(one.slices.status())) {
        return pipeline::OptionError(
            "max_decoded_gb", absl::StrCat("max_decoded_gb: ", one.slices.status().message()));
      }
      if (one.slices.ok()) {
        cases->push_back(std::move(one));
      } else {
        left_out->push_back(std::string(one.slices.status().message()));
      }
    }
    return absl::OkStatus();
  }

  void NameClasses(const std::vector<Case>& cases) {
    class_of_ = cv::Mat(1, 256, CV_8UC1, cv::Scalar(1));
    class_of_.at<uint8_t>(0) = 0;
    class_of_.at<uint8_t>(kIgnoredMask) = kIgnoredMask;
    info_.classes = {binary() ? "no_tumor" : "background", "tumor"};
    if (binary() || !options_.all_labels) return;
    info_.classes = {"background"};
    std::bitset<255> labels;
    for (const Case& one : cases) labels |= one.slices->labels;
    for (int label = 1; label < static_cast<int>(labels.size()); ++label) {
      if (!labels[label]) continue;
      class_of_.at<uint8_t>(label) = static_cast<uint8_t>(info_.classes.size());
      info_.classes.push_back(absl::StrCat("label_", label));
    }
  }

  void AddCase(const Case& one, pipeline::Phase phase) {
    names_.push_back(one.source.name);
    for (const StoredSlice& slice : one.slices->slices) {
      const bool tumor = slice.labelled >= options_.min_tumor_pixels;
      if (binary() && !tumor && slice.labelled > 0) continue;
      slices_[PhaseIndex(phase)].push_back({slice, names_.size() - 1, binary() && tumor ? 1 : 0});
    }
  }

  // The phase of each case: as the split file says, else by patient.
  absl::StatusOr<Phases> Split(const std::vector<Case>& cases, const DatasetContext& context) {
    const std::string& split_file = context.split_file;
    const bool filed = !split_file.empty() && !info_.embedded_sample;
    std::error_code ignored;
    if (filed && fs::exists(split_file, ignored)) {
      auto phases = ReadSplit(cases, split_file, context);
      if (!phases.ok()) return SplitFileError(phases.status());
      if (context.write_split) info_.split_text = TextOf(cases, *phases);
      return phases;
    }
    std::vector<SplitCase> split;
    for (const Case& one : cases) split.push_back({one.source.patient, one.source.phase});
    const PatientSplit drawn = SplitByPatient(split, context);
    Phases phases(drawn.phases.begin(), drawn.phases.end());
    info_.split = drawn.origin;
    if (!drawn.note.empty()) info_.notes.push_back(drawn.note);
    NoteSplit(split);
    if (info_.embedded_sample) return phases;
    if (filed) {
      const absl::Status writable = CheckWritable(split_file);
      if (!writable.ok()) return SplitFileError(writable);
    }
    if (!context.write_split) return phases;
    info_.split_text = TextOf(cases, phases);
    if (!filed) return phases;
    const absl::Status written = pipeline::WriteFileAtomically(split_file, info_.split_text);
    if (!written.ok()) return SplitFileError(written);
    absl::StrAppend(&info_.split, ", written to ", split_file);
    return phases;
  }

  // The case's files as seen from the dataset's folder, each once.
  std::set<std::string> PathsOf(const Case& one) const {
    std::set<std::string> paths;
    for (const std::string& file : one.source.files) {
      paths.insert(fs::path(file).lexically_relative(info_.origin).string());
    }
    return paths;
  }

  absl::StatusOr<Phases> ReadSplit(const std::vector<Case>& cases, const std::string& split_file,
                                   const DatasetContext& context) {
    std::vector<std::string> paths;
    std::vector<size_t> owners;
    for (size_t i = 0; i < cases.size(); ++i) {
      for (const std::string& path : PathsOf(cases[i])) {
        paths.push_back(path);
        owners.push_back(i);
      }
    }
    const auto listed =
        PhasesByFile(split_file, info_.origin, paths, {}, facts_.get(), context.progress);
    if (!listed.ok()) return listed.status();
    Phases phases(cases.size(), kUnsplit);
    for (size_t i = 0; i < paths.size(); ++i) {
      if ((*listed)[i] == kUnsplit) continue;
      std::optional<pipeline::Phase>& phase = phases[owners[i]];
      if (phase != kUnsplit && phase != (*listed)[i]) {
        return absl::InvalidArgumentError(absl::StrCat(
            split_file,
            " puts files of one case into several splits: ", cases[owners[i]].source.name));
      }
      phase = (*listed)[i];
    }
    const auto unlisted = std::count(phases.begin(), phases.end(), kUnsplit);
    if (unlisted > 0) {
      info_.notes.push_back(absl::StrCat("cases not in ", split_file, ", left out: ", unlisted));
    }
    info_.split = absl::StrCat("split file ", split_file);
    return phases;
  }

  // What a split file says.
  std::string TextOf(const std::vector<Case>& cases, const Phases& phases) const {
    std::vector<SplitEntry> entries;
    for (size_t i = 0; i < cases.size(); ++i) {
      if (phases[i] == kUnsplit) continue;
      for (const std::string& path : PathsOf(cases[i])) {
        entries.push_back({*phases[i], path,
                           ContentHash((fs::path(info_.origin) / path).string(), facts_.get())});
      }
    }
    return SplitText(entries);
  }

  void NoteSplit(const std::vector<SplitCase>& split) {
    std::map<std::string, size_t> cases;
    for (const SplitCase& one : split) ++cases[one.patient];
    const auto most =
        std::max_element(cases.begin(), cases.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    info_.notes.push_back(absl::StrCat(
        "cases: ", split.size(), ", patients: ", cases.size(),
        most->second > 1 ? absl::StrCat(" (", most->second, " cases of ", most->first, ")") : "",
        cases.size() > 1 ? "; split by patient"
                         : "; slices of one patient all train: no VAL and no TEST"));
  }

  // There must be something to tell apart.
  absl::Status Count() {
    std::array<std::vector<int64_t>, pipeline::kPhases> labels;
    for (int i = 0; i < pipeline::kPhases; ++i) {
      for (const Slice& slice : slices_[i]) labels[i].push_back(slice.label);
    }
    CountClasses(labels, &info_);
    const auto& train = slices_[PhaseIndex(pipeline::TRAIN)];
    if (!binary()) {
      const bool tumor = std::any_of(train.begin(), train.end(),
                                     [](const Slice& slice) { return slice.stored.labelled > 0; });
      return tumor ? absl::OkStatus()
                   : RootError(absl::StrCat("no label above 0 in the ", train.size(),
                                            " training slices of ", info_.origin));
    }
    const std::vector<int64_t>& counts = info_.class_counts[PhaseIndex(pipeline::TRAIN)];
    if (counts[0] > 0 && counts[1] > 0) return absl::OkStatus();
    return RootError(absl::StrCat("training slices of ", info_.origin, ": ", counts[0],
                                  " without a tumor, ", counts[1],
                                  " with one; it takes both to learn"));
  }

  const VolumeOptions options_;
  const Fit fit_;
  pipeline::DataInfo info_;
  SliceStore store_;
  std::shared_ptr<FileFacts> facts_;
  cv::Mat class_of_;  // 1 x 256: labels to classes
  std::vector<std::string> names_;
  std::array<std::vector<Slice>, pipeline::kPhases> slices_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenVolumes(pipeline::DataInfo info,
                                                     const std::vector<VolumeCase>& cases,
                                                     std::vector<std::string> left_out,
                                                     const VolumeOptions& options,
                                                     const DatasetContext& context) {
  auto dataset = std::make_unique<VolumeDataset>(std::move(info), options, context.fit);
  const absl::Status status = dataset->Take(cases, std::move(left_out), context);
  if (!status.ok()) return status;
  return dataset;
}

}  // namespace datasets
