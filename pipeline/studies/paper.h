// What the paper printed: its n-gram tables (7 to 18), and Tables 5 and 6.
#ifndef PIPELINE_STUDIES_PAPER_H_
#define PIPELINE_STUDIES_PAPER_H_

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/statistics/collapse.h"

namespace pipeline {

// One cell of a table: a fusion's numbers on one task, of one run, in [0, 1].
struct PaperCell {
  int table = 0;
  double accuracy = 0, precision = 0, recall = 0;  // weighted by class
  // Of both tasks together, as far as the paper says; NaN where it prints none.
  double loss_value = std::numeric_limits<double>::quiet_NaN();
  // Whether precision is accuracy squared but for the rounding.
  OneClass one_class = OneClass::kNo;
  // A weighted recall is the accuracy; here they are more than 0.005 apart.
  bool contradicts_itself = false;
  // What another table or the text says of the same; "" where nothing does.
  std::string elsewhere;
};

// `dataset` as datasets are called here, `task` "binary" or "multiclass", `losses` in any order.
// Nothing where the paper has no such cell.
std::optional<PaperCell> PaperCellOf(const std::string& dataset, const std::string& task,
                                     const std::vector<std::string>& losses);

// The table of a dataset's fusions of so many losses; 0 where there is none.
int PaperTable(const std::string& dataset, size_t losses);

// A loss alone and the fusion with a second one, on the accuracy: a row of Tables 5 and 6.
struct PaperPair {
  std::string dataset;
  std::string task;   // "" where the paper does not say
  std::string model;  // as it is called here
  std::string single, added;
  double without = 0, with = 0;
};
const std::vector<PaperPair>& PaperPairs();

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_PAPER_H_
