#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exchange/Options.h"

namespace Passenger {

/**
 * What httpd's configuration lets run. httpd's parent, the only source of rights, sends it as text;
 * options come from httpd's children, and one of them may have been taken over. A plain value;
 * thread-safe.
 *
 * The text has a line `server` for the main server and each virtual host, followed by its lines
 * `KEY VALUE`. A line `section` is between the values of two of its places. What the main server
 * grants, each virtual host grants, too, but for its document root. Keys are those of FIELDS (in
 * Grants.cpp), and:
 *
 *     app_root PATH        PassengerAppRoot
 *     document_root PATH   an application is in its parent, before or after links are followed
 *     base_uri URI         a link below the document root, to an application's public folder
 *     resolve_symlinks On  links of the document root are followed
 *     environment NAME     PassengerAppEnv
 *     variable NAME=VALUE  SetEnv, PassEnv
 *     memory_max, cpu_weight, tasks_max, memory_limit, hard_memory_limit, memory_budget,
 *     max_log_lines, max_boot_processes
 *                          a limit of an application
 *     limited KEY          this limit holds for the whole server, so none is not granted there
 *     fixed KEY            the same for another value: its default is not granted there
 *     any folder           of the main server: document roots can be others than those above
 *     any name             of the main server: .htaccess files may have parts of a name
 */
class Grants {
public:
    /** Grants everything: the settings come from another program than httpd. */
    Grants() = default;
    /** Unknown keys are ignored. An empty text grants everything. */
    explicit Grants(const std::string &text);

    bool everything() const noexcept {
        return servers_.empty();
    }
    /**
     * The reason, for people, why the configuration does not have these options; nothing: it has
     * them. The folder must be one of a virtual host with the other options, unless links,
     * .htaccess files or modules decide about folders. Does not block.
     */
    std::optional<std::string> refusal(const Options &options) const;
    /**
     * Whether a request can still ask for the application, or this is not known. Its user, group
     * and PassengerAppGroupName must be there; without PassengerAppGroupName one virtual host must
     * have them, the environment and the folder. Does not block: where links decide about the
     * folder, it is not known.
     */
    bool hasName(const Options &options) const;
    /**
     * Whether the place that names this user, group, start command or PassengerAppGroupName is one
     * for this folder. True for options that name none of them. May block: follows links.
     */
    bool coversFolder(const Options &options) const;
    /** The folders of the virtual hosts that have these options, before and after links are
     *  followed. May block. */
    std::set<std::string> namedFolders(const Options &options) const;
    /**
     * Why the application in this folder cannot have these limits: its virtual host has others.
     * Nothing for folders that belong to no known virtual host. May block: follows links.
     */
    std::optional<std::string> limitRefusal(const Options &options) const;
    /** False for a variable that decides which code an interpreter runs, unless the configuration
     *  sets it to this value. */
    bool allowsVariable(const std::string &name, const std::string &value) const;

    /** Whether PassengerGroup of any virtual host names the group, or may name any group. */
    bool grantsGroup(const std::string &group) const;

private:
    /** Values by key. */
    using Values = std::map<std::string, std::set<std::string>>;
    struct Server {
        Values values;
        /** Those of FIELDS, for each place. */
        std::vector<Values> places;
        /** PassengerAppRoot, and the parents of document roots. Links are not followed. */
        std::set<std::string> folders;
    };

    static bool has(const Values &values, const std::string &key, const std::string &value);
    static bool has(const Server &server, const std::string &key, const std::string &value) {
        return has(server.values, key, value);
    }
    static void add(Server &server, const std::string &key, const std::string &value);
    /** Whether the virtual host, or the main server, has the value. */
    bool grants(const Server &server, const std::string &key, const std::string &value) const;
    /** Whether any virtual host, or the main server, has the value. */
    bool isGranted(const std::string &key, const std::string &value) const;
    bool grantsAll(const Server &server, const Options &options) const;
    bool fitsTogether(const Server &server, const Options &options) const;
    bool grantsLimits(const Server &server, const Options &options) const;
    bool mayHaveFolder(const Server &server, const std::string &folder) const;
    bool covers(const Server &server, const std::string &folder) const;
    std::set<std::string> foldersBehindLinks(const Server &server) const;
    /** Whether links decide about the folders of a virtual host's applications. */
    static bool followsLinks(const Server &server);
    bool mayHaveNameParts(const Server &server, const Options &options) const;
    bool mayHaveDerivedName(const Options &options) const;
    void index();

    /** The first is the main server. */
    std::vector<Server> servers_;
    /** Those that follow links, by their number. */
    std::vector<std::size_t> following_;
    /** Those that have a document root below the folder, or the folder as PassengerAppRoot. */
    std::unordered_map<std::string, std::vector<std::size_t>> byFolder_;
};

}  // namespace Passenger
