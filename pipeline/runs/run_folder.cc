// Files of a run.
#include "pipeline/runs/run_folder.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/csv.h"
#include "pipeline/files.h"
#include "pipeline/runs/json.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

std::string Timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof(text), "%Y%m%d-%H%M%S", &local);
  return text;
}

}  // namespace

absl::StatusOr<RunFolder> RunFolder::Make(const std::string& out, const std::string& config) {
  std::string path = out;
  std::error_code error;
  if (out.empty()) {
    const std::string stem = absl::StrCat("runs/", config, "/", Timestamp());
    path = stem;
    for (int again = 2; fs::exists(path, error); ++again) path = absl::StrCat(stem, "-", again);
  } else if (fs::exists(out + "/summary.json", error) || fs::exists(out + "/metrics.csv", error)) {
    return absl::AlreadyExistsError(
        absl::StrCat("--out=", out, ": already holds a run; give another folder"));
  }
  const absl::Status made = MakeFolders(path);
  if (!made.ok()) return made;
  return RunFolder(path);
}

absl::Status RunFolder::AddRow(const std::vector<std::pair<std::string, std::string>>& cells,
                               const std::vector<std::pair<std::string, double>>& values) {
  std::map<std::string, std::string> row;
  const auto put = [&](const std::string& column, const std::string& text) {
    if (std::find(columns_.begin(), columns_.end(), column) == columns_.end()) {
      columns_.push_back(column);
    }
    row[column] = text;
  };
  for (const auto& [column, text] : cells) put(column, text);
  // %.9g: a float32 survives the way to text and back.
  for (const auto& [column, value] : values) {
    put(column, std::isnan(value) ? "" : absl::StrFormat("%.9g", value));
  }
  rows_.push_back(std::move(row));
  const auto heading = [](std::string* line, const std::string& column) {
    line->append(CsvCell(ValidUtf8(column)));
  };
  std::string text = absl::StrJoin(columns_, ",", heading) + "\n";
  for (const auto& known : rows_) {
    absl::StrAppend(&text,
                    absl::StrJoin(columns_, ",",
                                  [&](std::string* line, const std::string& column) {
                                    const auto cell = known.find(column);
                                    if (cell != known.end()) line->append(CsvCell(cell->second));
                                  }),
                    "\n");
  }
  return WriteFileAtomically(File("metrics.csv"), text);
}

absl::Status RunFolder::WriteSummary(const nlohmann::ordered_json& summary) {
  return WriteFileAtomically(File("summary.json"), JsonText(summary));
}

}  // namespace pipeline
