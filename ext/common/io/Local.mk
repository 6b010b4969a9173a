# Keep sorted, one file a line. What needs libev goes into the second list.
libpassenger_base_la_SOURCES +=

libpassenger_runtime_la_SOURCES +=
