// The sections of a run in their order.
#include "pipeline/report/run_page.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "pipeline/files.h"
#include "pipeline/report/sections.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

Section PicturesSection(const std::vector<Gallery>& galleries) {
  Section section = {"pictures", "Pictures", {}};
  for (const Gallery& gallery : galleries) {
    if (!gallery.pictures.empty()) section.blocks.push_back(gallery);
  }
  return section;
}

}  // namespace

std::string ShellQuoted(const std::string& word) {
  const auto plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string("_./:=@%+,-").find(c) != std::string::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  if (Printable(word) == word) {
    return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
  }
  std::string quoted = "$'";
  for (const char c : word) {
    if (absl::ascii_isprint(static_cast<unsigned char>(c)) && c != '\'' && c != '\\') {
      quoted.push_back(c);
    } else {
      // Three digits, so that a digit that follows is none of them.
      absl::StrAppendFormat(&quoted, "\\%03o", static_cast<unsigned char>(c));
    }
  }
  return quoted + "'";
}

Section RepeatSection(const RunRecord& record) {
  Section section = {"again", "Run it again", {}};
  std::error_code error;
  const std::string folder =
      std::filesystem::absolute(record.folder, error).lexically_normal().string();
  const auto command = [&](const std::string& arguments) {
    return absl::StrCat("bazel run //pipeline -- train ", arguments);
  };
  const std::string config = ShellQuoted(folder + "/config.pbtxt");
  if (!record.config_text.empty()) {
    section.blocks.push_back(Code{"The same run again, from the workspace", command(config)});
  }
  if (!record.ending.has_value() || record.ending->stopped == "interrupted") {
    section.blocks.push_back(
        Code{"Go on where it stopped", command(absl::StrCat("--resume=", ShellQuoted(folder)))});
  }
  if (record.config_text.empty()) {
    section.blocks.push_back(Paragraph{"There is no config.pbtxt in the run's folder."});
  } else {
    constexpr size_t kMostShown = 200'000;
    const bool whole = record.config_text.size() <= kMostShown;
    section.blocks.push_back(Code{whole ? "config.pbtxt, resolved" : "config.pbtxt, its beginning",
                                  record.config_text.substr(0, kMostShown)});
  }
  return section;
}

Page RunPage(const RunRecord& record, const PageExtras& extras) {
  const Judgement judgement = JudgementOf(record);
  Page page;
  page.title = record.name;
  page.subtitle = absl::StrCat("Report of a training run: ", record.dataset, ", ", record.task);
  page.sections.push_back(VerdictSection(record, judgement, extras.findings));
  page.sections.insert(page.sections.end(), extras.data.begin(), extras.data.end());
  for (Section& section : std::vector<Section>{
           CurvesSection(record, judgement), ConfusionSection(record, judgement),
           ClassesSection(record, judgement), RankingSection(record, judgement),
           ReliabilitySection(record, judgement), MistakesSection(record, judgement),
           PicturesSection(extras.galleries), TimeSection(record), RepeatSection(record)}) {
    if (!section.blocks.empty()) page.sections.push_back(std::move(section));
  }
  return page;
}

absl::Status WriteReport(const std::string& folder, const PageExtras& extras,
                         const std::string& path) {
  const absl::StatusOr<RunRecord> record = ReadRunRecord(folder);
  if (!record.ok()) return record.status();
  return WriteFileAtomically(path.empty() ? absl::StrCat(folder, "/report.html") : path,
                             Html(RunPage(*record, extras)));
}

}  // namespace pipeline
