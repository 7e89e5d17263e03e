// What LeakSanitizer finds in libraries and we cannot mend, a line each with its reason; linked
// into every program of --config=asan.
extern "C" const char* __lsan_default_suppressions() { return ""; }
