libpassenger_client_la_SOURCES +=
