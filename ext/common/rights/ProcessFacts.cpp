#include "rights/ProcessFacts.h"

#include <sstream>

#include "base/FileContent.h"
#include "base/Split.h"

namespace Passenger {

namespace {

/** A frame has room for three of them. */
constexpr std::size_t MOST_OF_A_FILE = 256 * 1024;

std::map<std::string, std::string> environmentIn(const std::string &content) {
    std::map<std::string, std::string> variables;
    for (const std::string &entry : split(content, '\0')) {
        if (const auto equals = entry.find('='); equals != std::string::npos) {
            variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
        }
    }
    return variables;
}

/** `Uid:` has the real, effective, saved and file system's id. */
std::vector<Report::Row> idsIn(const std::string &status) {
    std::vector<Report::Row> rows;
    for (const std::string &line : split(status, '\n')) {
        std::istringstream words(line);
        std::string label;
        std::string first;
        std::string second;
        words >> label >> first >> second;
        if (label == "Uid:") {
            rows.push_back({"user id", second});
        } else if (label == "Gid:") {
            rows.push_back({"group id", second});
        } else if (label == "Groups:") {
            const auto start = line.find_first_not_of(" \t", label.size());
            const auto end = line.find_last_not_of(" \t");
            rows.push_back({"groups", start == std::string::npos ? "none" : line.substr(start, end - start + 1)});
        }
    }
    return rows;
}

/** The content has columns of a fixed width below a line of titles. */
std::vector<Report::Row> limitsIn(const std::string &content) {
    std::vector<Report::Row> rows;
    std::istringstream lines(content);
    std::string line;
    std::getline(lines, line);
    const auto soft = line.find("Soft Limit");
    if (soft == std::string::npos) {
        return rows;
    }
    while (std::getline(lines, line) && line.size() > soft) {
        std::istringstream values(line.substr(soft));
        std::string softLimit;
        std::string hardLimit;
        std::string unit;
        values >> softLimit >> hardLimit >> unit;
        std::string name = line.substr(0, soft);
        name.resize(name.find_last_not_of(' ') + 1);
        if (!unit.empty()) {
            name += " (" + unit + ")";
        }
        rows.push_back({name, softLimit, hardLimit});
    }
    return rows;
}

}  // namespace

ProcessFacts::Files ProcessFacts::read(pid_t pid) {
    const std::string folder = "/proc/" + std::to_string(pid);
    const auto content = [&](const char *file) { return fileContent(folder + file, MOST_OF_A_FILE); };
    return {content("/environ"), content("/status"), content("/limits")};
}

ProcessFacts::ProcessFacts(const Files &files)
    : environment(environmentIn(files.environ)), ids(idsIn(files.status)), limits(limitsIn(files.limits)) {}

}  // namespace Passenger
