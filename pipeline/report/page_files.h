// The page's template, style and script, as the files of this folder have them.
#ifndef PIPELINE_REPORT_PAGE_FILES_H_
#define PIPELINE_REPORT_PAGE_FILES_H_

namespace pipeline {

extern const char kPageTemplate[];
extern const char kPageStyle[];
extern const char kPageScript[];

}  // namespace pipeline

#endif  // PIPELINE_REPORT_PAGE_FILES_H_
