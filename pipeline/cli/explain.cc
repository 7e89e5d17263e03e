// The verb `explain`: why a trained run says what it says of an image.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gflags/gflags.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/pictures.h"
#include "pipeline/prediction/explanation.h"
#include "pipeline/prediction/image_list.h"
#include "pipeline/prediction/member.h"
#include "pipeline/runs/predictions.h"
#include "pipeline/training/device.h"
#include "pipeline/utf8.h"
#include "pipeline/workspace.h"

DEFINE_string(class, "", "");
DEFINE_string(label, "", "");
DEFINE_string(pictures, "explained", "");

namespace pipeline {
namespace {

constexpr int kQuality = 90;

struct Explained {
  std::string path, predicted;
  double probability = 0;
  std::string label;               // "" where it is not known
  std::vector<Pull> pulls;         // of images
  std::vector<std::string> files;  // of pictures
};

class Explainer {
 public:
  static absl::StatusOr<Explainer> Open(const Run& run, const BuildContext& context) {
    absl::StatusOr<Member> member = Member::Open(run, context);
    if (!member.ok()) return member.status();
    Explainer explainer(*std::move(member));
    explainer.names_ = ClassNames(run.data().classes, explainer.member_.classes());
    explainer.masks_ = run.data().task == Task::kSegmentation;
    const absl::StatusOr<Predictions> known = ReadPredictions(run.File("predictions.csv"));
    if (known.ok()) {
      for (const Prediction& row : known->rows) explainer.labels_[row.path] = row.label;
    }
    for (const std::string* asked : {&FLAGS_class, &FLAGS_label}) {
      if (asked->empty() || explainer.IndexOf(*asked) >= 0) continue;
      return absl::InvalidArgumentError(absl::StrCat("no class \"", *asked, "\"; there are ",
                                                     absl::StrJoin(explainer.names_, ", ")));
    }
    if (explainer.masks_ && !(FLAGS_class.empty() && FLAGS_label.empty())) {
      return absl::InvalidArgumentError("--class and --label are for classes of images");
    }
    return explainer;
  }

  const Source& source() const { return member_.source(); }
  const std::vector<std::string>& names() const { return names_; }
  int64_t tile_size() const { return member_.tile_size(); }

  absl::StatusOr<Explained> Explain(const std::string& path) {
    const absl::StatusOr<OutsideImage> image = member_.Read(path);
    if (!image.ok()) return image.status();
    const absl::StatusOr<at::Tensor> whole = source().ReadWhole(path);
    if (!whole.ok()) return whole.status();
    whole_ = *whole;
    Explained explained;
    explained.path = path;
    return masks_ ? ExplainMask(*image, explained) : ExplainImage(*image, explained);
  }

 private:
  explicit Explainer(Member member) : member_(std::move(member)) {}

  int64_t IndexOf(const std::string& name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    return found == names_.end() ? -1 : found - names_.begin();
  }

  std::string LabelOf(const std::string& path) const {
    if (!FLAGS_label.empty()) return FLAGS_label;
    std::error_code error;
    const auto found = labels_.find(std::filesystem::absolute(path, error).string());
    return found == labels_.end() ? "" : found->second;
  }

  absl::StatusOr<Explained> ExplainImage(const OutsideImage& image, Explained explained) {
    const at::Tensor batch = image.pixels.unsqueeze(0);
    const absl::StatusOr<at::Tensor> p = member_.Probabilities(batch);
    if (!p.ok()) return p.status();
    const auto predicted = p->argmax().item<int64_t>();
    explained.predicted = names_[predicted];
    explained.probability = (*p)[0][predicted].item<double>();
    explained.label = LabelOf(explained.path);
    const int64_t label = explained.label.empty() ? predicted : IndexOf(explained.label);
    if (label < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          explained.path, ": predictions.csv says that it shows \"", explained.label,
          "\", which is no class of the run; give --label=", absl::StrJoin(names_, "|")));
    }
    absl::StatusOr<Graph*> graph = member_.RunWithGradients(batch, at::tensor({label}, at::kLong));
    if (!graph.ok()) return graph.status();
    const absl::StatusOr<std::vector<Pull>> pulls = Pulls(member_.step(), *graph);
    if (!pulls.ok()) return pulls.status();
    explained.pulls = *pulls;
    std::set<int64_t> shown = {predicted, label};
    if (!FLAGS_class.empty()) shown = {predicted, IndexOf(FLAGS_class)};
    for (const int64_t c : shown) {
      const absl::StatusOr<at::Tensor> cam =
          GradCam(**graph, at::tensor({c}, at::kLong), batch.size(2));
      if (!cam.ok()) return cam.status();
      const absl::Status drawn = Draw(names_[c], (*cam)[0], image, &explained);
      if (!drawn.ok()) return drawn;
    }
    return explained;
  }

  absl::StatusOr<Explained> ExplainMask(const OutsideImage& image, Explained explained) {
    // Nothing outside knows the mask: the terms are asked what they hold against the answer.
    const at::Tensor batch = image.pixels.unsqueeze(0);
    const absl::StatusOr<at::Tensor> p = member_.Probabilities(batch);
    if (!p.ok()) return p.status();
    absl::StatusOr<Graph*> graph = member_.RunWithGradients(batch, p->argmax(1));
    if (!graph.ok()) return graph.status();
    const absl::StatusOr<NamedTensors> maps = PullMaps(member_.step(), *graph);
    if (!maps.ok()) return maps.status();
    for (const auto& [term, map] : *maps) {
      const absl::Status drawn = Draw(term, map, image, &explained);
      if (!drawn.ok()) return drawn;
    }
    return explained;
  }

  // A map over the whole image, as NAME_WHAT.jpg.
  absl::Status Draw(const std::string& what, const at::Tensor& map, const OutsideImage& image,
                    Explained* explained) {
    const auto& [to_x, to_y, to_width, to_height] = image.to;
    const auto& [x, y, width, height] = image.from;
    const at::Tensor seen = map.slice(0, to_y, to_y + to_height).slice(1, to_x, to_x + to_width);
    at::Tensor picture = whole_.clone();
    at::Tensor part = picture.slice(1, y, y + height).slice(2, x, x + width);
    part.copy_(HeatOver(part, seen));
    const absl::StatusOr<std::string> jpeg = EncodeJpeg(picture, kQuality);
    if (!jpeg.ok()) return jpeg.status();
    const absl::Status made = MakeFolders(FLAGS_pictures);
    if (!made.ok()) return made;
    const std::string stem =
        absl::StrCat(FLAGS_pictures, "/", std::filesystem::path(explained->path).stem().string(),
                     "_", ClassColumns({what}, 1)[0]);
    std::string file = stem + ".jpg";
    for (int again = 2; !files_.insert(file).second; ++again) {
      file = absl::StrCat(stem, "-", again, ".jpg");
    }
    explained->files.push_back(file);
    return WriteFileAtomically(file, *jpeg);
  }

  Member member_;
  std::vector<std::string> names_;
  bool masks_ = false;
  std::map<std::string, std::string> labels_;  // by path
  std::set<std::string> files_;
  at::Tensor whole_;  // the image that is explained, as it is: uint8 [3, height, width]
};

std::string Towards(const Pull& pull, const std::vector<std::string>& names) {
  return pull.towards < 0 ? "nowhere" : names[pull.towards];
}

void PrintText(const Explained& explained, const std::vector<std::string>& names) {
  Terminal terminal;
  terminal.Line(Shown(explained.path));
  std::vector<std::pair<std::string, std::string>> rows;
  if (!explained.predicted.empty()) {
    rows.emplace_back("predicted",
                      absl::StrCat(explained.predicted, " (", Percent(explained.probability), ")"));
    rows.emplace_back("label", explained.label.empty()
                                   ? "not known: terms are asked as if the answer were right"
                                   : explained.label);
  }
  for (const Pull& pull : explained.pulls) {
    rows.emplace_back(pull.term, absl::StrCat("pulls towards ", Towards(pull, names), ", ",
                                              Percent(pull.share), " of all terms' pull"));
  }
  for (const std::string& file : explained.files) rows.emplace_back("picture", Shown(file));
  terminal.Table(rows);
}

void PrintJson(const Explained& explained, const std::vector<std::string>& names) {
  nlohmann::ordered_json line = {{"path", ValidUtf8(explained.path)}};
  if (!explained.predicted.empty()) {
    line["class"] = ValidUtf8(explained.predicted);
    line["probability"] = explained.probability;
    line["label"] = explained.label.empty() ? nlohmann::ordered_json(nullptr)
                                            : nlohmann::ordered_json(ValidUtf8(explained.label));
    line["terms"] = nlohmann::ordered_json::array();
    for (const Pull& pull : explained.pulls) {
      line["terms"].push_back({{"term", pull.term},
                               {"pull", pull.norm},
                               {"share", pull.share},
                               {"towards", ValidUtf8(Towards(pull, names))}});
    }
  }
  line["pictures"] = nlohmann::ordered_json::array();
  for (const std::string& file : explained.files) line["pictures"].push_back(ValidUtf8(file));
  std::printf("%s\n", JsonLine(line).c_str());
}

int ExplainImages(const CommandLine& line) {
  if (line.words.size() < 2) {
    return Complain(absl::InvalidArgumentError("explain takes a run and images"), kMistake);
  }
  const absl::StatusOr<Run> run = OpenRun(line.words[0], line.Values("set"));
  if (!run.ok()) return Complain(run.status(), kMistake);
  BuildContext context;
  const absl::Status chosen = ChooseHardware(run->config(), &context);
  if (!chosen.ok()) return Complain(chosen, kMistake);
  absl::StatusOr<Explainer> explainer = Explainer::Open(*run, context);
  if (!explainer.ok()) return Complain(explainer.status(), kMistake);
  const Source& source = explainer->source();
  const absl::StatusOr<std::vector<std::string>> files = ListImages(
      {line.words.begin() + 1, line.words.end()},
      [&source](const std::string& path) { return source.HasImageName(path); }, std::cin);
  if (!files.ok()) return Complain(files.status(), kMistake);
  if (explainer->tile_size() > 0) {
    std::fprintf(stderr,
                 "this run learned from tiles of %d pixels, but images are explained whole: cut "
                 "out what you ask about\n",
                 static_cast<int>(explainer->tile_size()));
  }
  int code = 0;
  for (const std::string& file : *files) {
    const absl::StatusOr<Explained> explained = explainer->Explain(file);
    if (!explained.ok()) {
      code = Complain(explained.status(), kFailure);
    } else if (FLAGS_json) {
      PrintJson(*explained, explainer->names());
    } else {
      PrintText(*explained, explainer->names());
    }
  }
  return code;
}

}  // namespace

REGISTER_VERB({
    .name = "explain",
    .arguments = "RUN IMAGE...",
    .help = "why a run says what it says of images: where it looks, and which loss term pulls\n"
            "RUN and IMAGE are as predict takes them. Of a classifier: Grad-CAM of the class that\n"
            "is predicted and of the true one (or --class), and how hard and where to each term\n"
            "of the loss would pull the answer. Of a segmenter: a map of each term's pull.",
    .flags = {{"class", "NAME", "the class to show beside the predicted one"},
              {"label", "NAME", "what the images show, where it is not in predictions.csv"},
              {"pictures", "DIR", "where the pictures go (default: explained)"},
              {"json", "", "JSON lines"},
              SetFlag(),
              PluginFlag()},
    .run = ExplainImages,
});

}  // namespace pipeline
