// Slices of NIfTI volumes.
#include <filesystem>
#include <new>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datasets/folders/source_folders.h"
#include "datasets/nifti.pb.h"
#include "datasets/split/patient_split.h"
#include "datasets/volumes/drawn_volume.h"
#include "datasets/volumes/nifti_cases.h"
#include "datasets/volumes/volume_dataset.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr int kDrawnCases = 12;
constexpr size_t kMaxModalities = 64;

ReadVolume FromFiles(const std::vector<std::string>& paths, const VolumeLimits& limits) {
  return [paths, limits](int index,
                         const std::optional<Orientation>& unsaid) -> absl::StatusOr<NamedVolume> {
    try {
      auto volume = ReadNiftiVolume(paths[index], limits, unsaid);
      if (!volume.ok()) return volume.status();
      return NamedVolume{*std::move(volume), paths[index]};
    } catch (const std::bad_alloc&) {
      return absl::InvalidArgumentError(
          absl::StrCat(paths[index], ": there is not enough memory to read it"));
    }
  };
}

absl::StatusOr<std::vector<std::string>> PatientsOf(const std::vector<NiftiCase>& cases,
                                                    const NiftiOptions& options) {
  std::vector<std::string> names;
  for (const NiftiCase& one : cases) names.push_back(one.name);
  if (options.patient().empty()) {
    return PatientsByFolder(names, fs::path(options.root()).filename().string());
  }
  auto patients = PatientsByPattern(names, options.patient());
  if (patients.ok()) return patients;
  return pipeline::OptionError("patient", absl::StrCat("patient: ", patients.status().message()));
}

std::vector<VolumeCase> DrawnCases() {
  std::vector<VolumeCase> cases;
  for (int i = 0; i < kDrawnCases; ++i) {
    const std::string name = absl::StrCat("drawn case ", i);
    cases.push_back({name, name, {}, [i, name](int index, const std::optional<Orientation>&) {
                       return NamedVolume{DrawBrainVolume(i, index), name};
                     }});
  }
  return cases;
}

}  // namespace

// Finds the files; the slices are a dataset of their own.
class Nifti : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const NiftiOptions& options,
                                                         const DatasetContext& context) {
    const bool binary = options.task() == NiftiOptions::BINARY;
    pipeline::DataInfo info;
    info.dataset = "nifti";
    info.task = binary ? pipeline::Task::kBinary : pipeline::Task::kSegmentation;
    const VolumeOptions wanted = {options.labels() == NiftiOptions::ALL,
                                  options.min_tumor_pixels(),
                                  {options.every_nth(), options.min_foreground()},
                                  int64_t{options.max_decoded_gb()} << 30};
    if (options.root().empty()) {
      info.origin = "embedded sample";
      info.embedded_sample = true;
      info.channels = 2;
      return OpenVolumes(std::move(info), DrawnCases(), {}, wanted, context);
    }
    info.origin = options.root();
    const absl::Status there = CheckRoot(info.origin);
    if (!there.ok()) return there;
    auto found = FindNiftiCases(
        info.origin,
        {{options.modalities().begin(), options.modalities().end()}, options.segmentation()});
    if (!found.ok()) return RootError(std::string(found.status().message()));
    if (found->modalities.size() > kMaxModalities) {
      return RootError(absl::StrCat("more than ", kMaxModalities, " modalities in ", info.origin));
    }
    info.channels = static_cast<int64_t>(found->modalities.size());
    info.notes.push_back(absl::StrCat("channels: ", absl::StrJoin(found->modalities, ", ")));
    const VolumeLimits limits = {context.max_pixels, options.max_voxels()};
    const auto patients = PatientsOf(found->cases, options);
    if (!patients.ok()) return patients.status();
    std::vector<VolumeCase> cases;
    for (size_t i = 0; i < found->cases.size(); ++i) {
      const NiftiCase& one = found->cases[i];
      std::vector<std::string> files = one.images;
      files.push_back(one.segmentation);
      cases.push_back({(fs::path(info.origin) / one.name).lexically_normal().string(),
                       (*patients)[i], one.phase, FromFiles(files, limits), files});
    }
    return OpenVolumes(std::move(info), cases, std::move(found->left_out), wanted, context);
  }
};

REGISTER_PLUGIN(Datasets, Nifti);

}  // namespace datasets
