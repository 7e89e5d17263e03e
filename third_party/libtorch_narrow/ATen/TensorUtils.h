// Nothing: see Context.h.
