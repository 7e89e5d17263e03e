// The page's own files, as they were when this was built.
#include "pipeline/report/page_files.h"

namespace pipeline {

const char kPageTemplate[] =
#include "pipeline/report/page_mustache.inc"
    ;
const char kPageStyle[] =
#include "pipeline/report/page_css.inc"
    ;
const char kPageScript[] =
#include "pipeline/report/page_js.inc"
    ;

}  // namespace pipeline
