#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "io/Frame.h"
#include "rights/RunAs.h"

namespace Passenger {

/**
 * The form of requests to the rights process (doc/PROTOCOLS.md, section 4.5). Field 0 of a
 * RIGHTS_REQUEST is the verb. The answer is RIGHTS_DONE, or AGENT_FAILED with an exception.
 * RightsServer::verbs() lists them.
 */
namespace RightsVerb {

inline constexpr const char *USER_OF = "user_of";
inline constexpr const char *START_SPAWN_SERVER = "start_spawn_server";
inline constexpr const char *START_PRE_START = "start_pre_start";
inline constexpr const char *START_EVENT_COMMAND = "start_event_command";
inline constexpr const char *PLACE = "place";
inline constexpr const char *END_BOOT = "end_boot";
inline constexpr const char *PRIORITY = "priority";
inline constexpr const char *TASKS = "tasks";
inline constexpr const char *APPEND = "append";
inline constexpr const char *READ = "read";
inline constexpr const char *MODIFIED = "modified";
inline constexpr const char *WATCH = "watch";
inline constexpr const char *FACTS = "facts";
inline constexpr const char *MEMORY = "memory";
inline constexpr const char *PREPARE_SPAWN_DIR = "prepare_spawn_dir";
inline constexpr const char *REMOVE_SOCKET_FOLDERS = "remove_socket_folders";
inline constexpr const char *MAKE_REGISTRY = "make_registry";
inline constexpr const char *REMOVE_REGISTRY = "remove_registry";
inline constexpr const char *DESCRIPTOR_LOG = "descriptor_log";

}  // namespace RightsVerb

/** The time in which the rights process answers a request. After that it gives the request up. */
inline constexpr unsigned RIGHTS_REQUEST_SECONDS = 10;

/** RIGHTS_DONE for USER_OF: five fields, or one with the reason why there is no user. */
std::vector<std::string> fieldsOf(const RunAs &runAs);
/** @throws ProtocolException */
RunAs runAsIn(const Frame &frame, std::size_t first);

/** Adds fields behind their number. */
void addList(Frame &frame, const std::vector<std::string> &fields);
/** The fields of such a list. @param next the index of their number; then of what follows
 *  @throws ProtocolException */
std::vector<std::string> listIn(const Frame &frame, std::size_t &next);

}  // namespace Passenger
