#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/Options.h"
#include "rights/GrantFields.h"

namespace Passenger {

/**
 * What httpd's configuration lets run. httpd's parent, the only source of rights, sends it as text;
 * options come from httpd's children, and one of them may have been taken over. Does not
 * change; thread-safe.
 *
 * The text has a line `server` for the main server and each virtual host, followed by its lines
 * `KEY VALUE`. A line `section` is between the values of two of its places. What the main server
 * grants, each virtual host grants, too, but for its document root. Keys are those of FIELDS and
 * VALUES (GrantFields.h), and:
 *
 *     app_root PATH        PassengerAppRoot
 *     document_root PATH   an application is in its parent, before or after links are followed
 *     base_uri URI         a link below the document root, to an application's public folder
 *     resolve_symlinks On  links of the document root are followed
 *     variable NAME=VALUE  SetEnv, PassEnv
 *     limited KEY          the server has this limit, so "no limit" is not granted
 *     fixed KEY            the server has another value, so the default is not granted
 *     any folder           of the main server: document roots can be others than those above
 *     any name             of the main server: .htaccess files may have parts of a name, and
 *                          VALUES that are no limits
 */
class Grants {
public:
    /** Grants everything: the settings come from another program than httpd. */
    Grants() = default;
    /** Unknown keys are ignored. An empty text grants everything. */
    explicit Grants(std::string text);
    Grants(const Grants &) = delete;
    Grants &operator=(const Grants &) = delete;

    const std::string &text() const noexcept { return text_; }

    bool everything() const noexcept { return servers_.empty(); }
    /**
     * The reason, for people, why the configuration does not have these options; nothing: it has
     * them. The folder must be one of a virtual host with the other options, unless links,
     * .htaccess files or modules decide about folders. Does not block.
     */
    std::optional<std::string> refusal(const Options &options) const;
    /**
     * The refusal of a process that starts. A child has asked for its application, perhaps before
     * the present configuration, so of its VALUES only limits are compared. The pool process has
     * compared the other ones when the child asked.
     */
    std::optional<std::string> startRefusal(const Options &options) const;
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

    /**
     * Whether a virtual host that may have this folder has what UserResolver::ownerOf() needs: the
     * user, the group, and a startup file that decides about them. Does not block, as hasName().
     */
    bool hasOwner(const Options &options) const;

private:
    /** Key and value, in the text. */
    using Line = std::pair<std::string_view, std::string_view>;
    /** The lines of one place, sorted. */
    using Place = std::span<const Line>;
    /** The places of one virtual host. */
    using Server = std::span<const Place>;
    /** A virtual host, by one of its folders. */
    using NamedServer = std::pair<std::string_view, Server>;

    void parse();
    static Place linesOf(Place place, std::string_view key);
    static bool has(Place place, std::string_view key, std::string_view value);
    static bool has(Server server, std::string_view key, std::string_view value);
    static bool hasAny(Server server, std::string_view key);
    /** Calls a function with each value that the virtual host has for the key. */
    template <typename Call> static void forEach(Server server, std::string_view key, Call call);
    /** With each folder: PassengerAppRoot, and the parents of document roots. Links are not
     *  followed. */
    template <typename Call> static void forEachFolder(Server server, Call call);
    /** Whether the virtual host, or the main server, has the value. */
    bool grants(Server server, std::string_view key, std::string_view value) const;
    /** Whether any virtual host, or the main server, has the value. */
    bool isGranted(std::string_view key, std::string_view value) const;
    enum class Values { LIMITS, ALL };

    std::optional<std::string> refusal(const Options &options, Values values) const;
    bool grantsField(Server server, const GrantFields::GrantField &field, const Options &options) const;
    bool grantsAll(Server server, const Options &options, Values values) const;
    bool fitsTogether(Server server, const Options &options) const;
    /** Values that the virtual host does not have, as directives; empty: it has them all. */
    std::string otherValues(Server server, const Options &options, Values values) const;
    std::set<std::string> foldersBehindLinks(Server server) const;
    bool mayHaveFolder(Server server, std::string_view folder) const;
    /** Whether it is a folder of the virtual host before links are followed. */
    bool namesFolder(Server server, std::string_view folder) const;
    /** Whether the call is true for any virtual host with this folder, before or after links are
     *  followed. */
    template <typename Call> bool anyWithFolder(const std::string &folder, Call call) const;
    /** The virtual hosts of which it is a folder before links are followed. */
    std::span<const NamedServer> withFolder(std::string_view folder) const;
    /** Whether links decide about the folders of a virtual host's applications. */
    static bool followsLinks(Server server);
    /** Whether the call is true for any virtual host that may have the folder, as
     *  mayHaveFolder(). */
    template <typename Call> bool anyMayHave(const std::string &folder, Call call) const;
    bool mayHaveNameParts(Server server, const Options &options) const;
    bool mayHaveDerivedName(const Options &options) const;
    void index();

    // A server may have 10,000 virtual hosts, and a reload waits until these are read: so the
    // members below are few blocks of memory. Each refers to those above it.
    const std::string text_;
    std::vector<Line> lines_;
    std::vector<Place> places_;
    /** The first is the main server. */
    std::vector<Server> servers_;
    /** The virtual hosts that follow links. */
    std::vector<Server> following_;
    /** By the folders above their document roots, and their PassengerAppRoots; sorted by these. */
    std::vector<NamedServer> byFolder_;
};

}  // namespace Passenger
