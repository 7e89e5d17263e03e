// Charts that compare methods: bars side by side, and the diagram of critical differences.
#ifndef PIPELINE_REPORT_METHOD_CHARTS_H_
#define PIPELINE_REPORT_METHOD_CHARTS_H_

#include <string>
#include <vector>

#include "pipeline/report/page.h"

namespace pipeline {

// Bars from 0, some for each name, all on one axis.
struct Bars {
  struct Row {
    std::string name;
    std::vector<double> values;  // one for each of `series`; NaN: no bar
  };

  std::string title;
  std::string unit;
  std::vector<std::string> series;
  std::vector<Row> rows;
  std::string note;
};
Chart Draw(const Bars& bars);

// Methods by their mean rank, 1 being the best (Demsar 2006): the bar above the axis is as long as
// the least difference that counts, and each thick bar joins methods that are not told apart.
struct CriticalDifferences {
  struct Method {
    std::string name;
    double rank = 0;
  };

  std::string title;
  std::vector<Method> methods;
  double difference = 0;
  std::vector<std::vector<int>> groups;  // indices into `methods`
  std::string note;
};
Chart Draw(const CriticalDifferences& diagram);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_METHOD_CHARTS_H_
