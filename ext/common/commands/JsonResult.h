#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

/** What commands that order something print with --json, and every command with --json that fails:
 *  one object. Its `status` is the exit status (doc/COMMANDS.md). Pure functions. */
namespace Passenger::JsonResult {

/** The form of all JSON that commands print, with a line break at the end. */
std::string text(const nlohmann::ordered_json &document);

/** @param fields an object with what the command has done; empty: nothing to tell */
std::string done(const nlohmann::ordered_json &fields, int status = 0);
/** @param error as on stderr */
std::string failed(int status, const std::string &error);

}  // namespace Passenger::JsonResult
