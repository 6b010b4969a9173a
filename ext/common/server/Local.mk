libpassenger_server_la_SOURCES +=
