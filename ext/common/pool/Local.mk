libpassenger_pool_la_SOURCES +=
