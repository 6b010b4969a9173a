libpassenger_agent_la_SOURCES +=
