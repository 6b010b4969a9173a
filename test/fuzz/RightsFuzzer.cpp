/*
 * Sends random requests to a RightsServer, as a pool process could that was taken over. The server
 * has Rights that do nothing and check what they are asked for: no user is root, and each program,
 * file, folder and URL is one of the settings.
 */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileRights.h"
#include "base/PidFd.h"
#include "base/Split.h"
#include "io/AgentSettings.h"
#include "rights/RightsServer.h"

namespace {

using namespace Passenger;

/** Bits of the first byte of an input. */
constexpr unsigned ONE_USER = 1;
constexpr unsigned NO_GRANTS = 2;
constexpr unsigned NO_SWITCHING = 4;
constexpr unsigned RELOADED = 8;

constexpr const char *NAMED_GROUP = "games";
constexpr std::uint64_t SOME_BYTES = 4096;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

AgentSettings settingsFor(unsigned flags) {
    AgentSettings settings;
    settings.rubyCommand = "/usr/bin/ruby";
    settings.spawnServerCommand = "/usr/lib/passenger/spawn/spawn_server.rb";
    settings.defaultUser = "nobody";
    settings.user = (flags & ONE_USER) != 0 ? "daemon" : "";
    settings.userSwitching = (flags & NO_SWITCHING) == 0;
    settings.preStart = "http://127.0.0.1/a\nhttp://127.0.0.1/b";
    settings.appFiles = "/var/log/a.log\n/var/log/b.log";
    settings.spawnDir = "/tmp/of-the-settings";
    settings.instanceRegistryDir = "/run/of-the-settings";
    settings.onEvent = "/usr/bin/of-the-settings";
    settings.descriptorLogFile = "/var/log/of-the-settings";
    if ((flags & NO_GRANTS) == 0) {
        settings.grants = "server\nserver\nuser daemon\ngroup games\ndocument_root /srv/www/public\n";
    }
    return settings;
}

bool names(const std::string &lines, const std::string &line) {
    const auto all = split(lines, '\n');
    return std::find(all.begin(), all.end(), line) != all.end();
}

FileDescriptor someDescriptor() {
    return FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
}

class CheckingRights final : public Rights {
public:
    AgentSettings settings;

    bool switchesUsers() const noexcept override { return true; }
    tl::expected<RunAs, std::string> userOf(const Options &options, const UserResolver &own, bool canSwitch) override {
        auto runAs = own.resolve(options, canSwitch);
        if (runAs && canSwitch) {
            checkUser(runAs->uid, runAs->gid);
        }
        return runAs;
    }
    HelperProcess start(const SpawnServerStart &server) override {
        require(server.rubyCommand == settings.rubyCommand &&
                server.spawnServerCommand == settings.spawnServerCommand &&
                server.agentProgram == settings.agentProgram() && server.control >= 0 && server.output >= 0);
        require(settings.user.empty() || server.user == settings.user);
        const passwd *const user = ::getpwnam(server.user.c_str());
        require(user != nullptr && user->pw_uid != 0);
        return helper();
    }
    HelperProcess start(const PreStartHelper &pre) override {
        require(pre.rubyCommand == settings.rubyCommand && pre.script == settings.preStartScript() &&
                pre.agentProgram == settings.agentProgram() && pre.user == settings.defaultUser &&
                pre.seccomp == settings.seccomp && pre.output >= 0);
        require(std::all_of(pre.urls.begin(), pre.urls.end(),
                            [this](const std::string &url) { return names(settings.preStart, url); }));
        return helper();
    }
    HelperProcess start(const EventCommandStart &start) override {
        require(!start.command.empty() && start.command == settings.onEvent &&
                start.agentProgram == settings.agentProgram() && start.user == settings.defaultUser &&
                start.output >= 0);
        require(std::all_of(start.variables.begin(), start.variables.end(),
                            [](const std::string &variable) { return variable.starts_with("PASSENGER_"); }));
        return helper();
    }
    bool signal(const FileDescriptor & /*pidFd*/, int /*signal*/) override { std::abort(); }
    void useGroups(pid_t /*agent*/) override { std::abort(); }
    bool places() const noexcept override { return true; }
    GroupJoined joinGroup(const FileDescriptor & /*pidFd*/, const GroupRequest & /*wanted*/) override { std::abort(); }
    void endBoot(const FileDescriptor & /*pidFd*/) override { std::abort(); }
    void setPriority(const FileDescriptor & /*pidFd*/, bool /*low*/) override { std::abort(); }
    std::uint64_t tasksOf(uid_t /*user*/) override { return 1; }
    void endGroup(const std::string & /*group*/) noexcept override {}
    void endEarlierGroups(pid_t /*pool*/, const std::vector<std::string> & /*kept*/) noexcept override {}
    void giveRoom(const FileDescriptor & /*socket*/, int bytes) noexcept override { require(bytes >= 0); }
    FileDescriptor openForAppending(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) override {
        return open(path, owner, namedBy);
    }
    FileDescriptor openForReading(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) override {
        return open(path, owner, namedBy);
    }
    std::vector<std::optional<RestartTimes>> modified(const std::vector<FolderLook> &looks) override {
        require(looks.size() == 1 && !looks[0].folders.empty());
        checkUser(looks[0].user.uid, looks[0].user.gid);
        return {RestartTimes{"1.2", ""}};
    }
    std::vector<std::vector<int>> watch(const FileDescriptor &inotify, const std::vector<FolderLook> &looks) override {
        require(static_cast<bool>(inotify) && looks.size() == 1 && !looks[0].folders.empty());
        checkUser(looks[0].user.uid, looks[0].user.gid);
        return {std::vector<int>(looks[0].folders.size(), 1)};
    }
    ProcessFacts::Files procFilesOf(pid_t pid) override {
        require(pid > 1);
        return {"A=1", "Name:\tx\n", ""};
    }
    std::optional<ProcessMemory> memoryOf(pid_t pid, bool /*descendants*/) override {
        require(pid > 1);
        return ProcessMemory{.proportional = SOME_BYTES};
    }
    void prepareSpawnDir(const std::string &folder) override { require(folder == settings.spawnDir); }
    void removeSocketFolders(const std::string &folder, pid_t /*bridge*/) override {
        require(folder == settings.spawnDir);
    }
    RegistryFolder makeRegistry(const std::string &parent, unsigned /*backlog*/, pid_t watchdog,
                                pid_t /*pool*/) override {
        require(parent == settings.instanceRegistryDir && watchdog == ::getpid());
        RegistryFolder folder;
        folder.path = parent + "/passenger.XXXXXX";
        return folder;
    }
    void removeRegistry(const std::string &folder, pid_t anchor) override {
        require(folder.starts_with(settings.instanceRegistryDir + "/passenger.") && anchor == ::getpid());
    }
    FileDescriptor openDescriptorLog(const std::string &path) override {
        require(path == settings.descriptorLogFile);
        return someDescriptor();
    }

private:
    static HelperProcess helper() { return {::getpid(), someDescriptor()}; }

    /** The group is one of the user's, or httpd's configuration names it. */
    void checkUser(uid_t uid, gid_t gid) const {
        const passwd *const user = ::getpwuid(uid);
        require(user != nullptr && uid != 0);
        const FileRights own = FileRights::ofUser(user->pw_name, uid, user->pw_gid);
        const group *const named = ::getgrnam(NAMED_GROUP);
        require(std::find(own.groups.begin(), own.groups.end(), gid) != own.groups.end() ||
                (gid != 0 && settings.grants.empty()) || (named != nullptr && named->gr_gid == gid));
    }

    FileDescriptor open(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) const {
        const bool named = names(settings.appFiles, path);
        require(named == (namedBy == AppFile::NamedBy::CONFIGURATION));
        require(named || settings.grants.empty() || path == "/var/log/earlier.log");
        require(owner.switches());
        checkUser(owner.uid, owner.gid);
        return someDescriptor();
    }
};

/** A file, an inotify instance or this process, by the bits of `kinds`. */
FileDescriptor descriptorOf(unsigned kinds) {
    constexpr unsigned KINDS = 3;
    switch (kinds % KINDS) {
        case 0: return someDescriptor();
        case 1: return FileDescriptor(::inotify_init1(IN_CLOEXEC));
        default: return openPidFd(::getpid());
    }
}

Frame requestOf(std::string_view input) {
    constexpr unsigned MOST_DESCRIPTORS = 4;
    constexpr std::size_t HEAD = 2;
    static const std::vector<std::string> verbs = RightsServer::verbs();
    const auto verb = static_cast<std::uint8_t>(input[0]) % (verbs.size() + 1);
    const unsigned descriptors = static_cast<std::uint8_t>(input[1]);
    std::vector<std::string> fields = split(input.substr(HEAD), '\0');
    if (verb < verbs.size()) {
        fields.insert(fields.begin(), verbs[verb]);
    }
    Frame frame(FrameType::RIGHTS_REQUEST, std::move(fields));
    for (unsigned i = 0; i < descriptors % MOST_DESCRIPTORS; ++i) {
        frame.descriptors.push_back(descriptorOf(descriptors / MOST_DESCRIPTORS + i));
    }
    return frame;
}

void checkAnswer(const Frame &answer) {
    require(answer.type == FrameType::RIGHTS_DONE || answer.type == FrameType::AGENT_FAILED);
    require(answer.type == FrameType::RIGHTS_DONE || (answer.descriptors.empty() && !answer.field(1).empty()));
    require(!answer.encode().empty());
}

/** This process runs as root, or is not below the agent: none of them may get a signal. */
void checkSignals(RightsServer &server, int signal) {
    static const FileDescriptor self = openPidFd(::getpid());
    static const FileDescriptor file = someDescriptor();
    require(!server.signal(self, signal).empty());
    require(!server.signal(file, signal).empty());
}

}  // namespace

/** The fields as those of a RIGHTS_END_GROUP, which has no answer. */
void endGroups(RightsServer &server, std::string_view fields) {
    try {
        server.endGroups(Frame(FrameType::RIGHTS_END_GROUP, split(fields, '\0')));
    } catch (const ProtocolException &) {
        // The connection ends.
    }
}

/** The input: flags of the settings, a verb, number and kinds of descriptors, and fields, each
 *  ended by a zero byte. */
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    constexpr std::size_t LEAST = 3;
    if (size < LEAST) {
        return 0;
    }
    const unsigned flags = data[0];
    CheckingRights rights;
    RightsServer server(rights, ::getpid());
    server.usePool(63170, 4711);
    if ((flags & RELOADED) != 0) {
        AgentSettings earlier = settingsFor(flags);
        earlier.appFiles = "/var/log/earlier.log";
        server.configure(earlier);
    }
    rights.settings = settingsFor(flags);
    server.configure(rights.settings);
    const std::string_view request(reinterpret_cast<const char *>(data) + 1, size - 1);
    checkAnswer(server.answer(requestOf(request)));
    endGroups(server, request.substr(2));
    checkSignals(server, static_cast<int>(data[1]));
    server.giveRoom(someDescriptor(), data[1] * (UINT64_MAX / UINT8_MAX));
    return 0;
}
