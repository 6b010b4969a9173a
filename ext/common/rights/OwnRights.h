#pragma once

#include <memory>

#include "rights/Rights.h"

namespace Passenger {

/**
 * Does everything with the rights of this process: in a pool process that an ordinary user has
 * started, in the rights process, and in tests. As root, it takes the rights of the named user for
 * the time of a call. Its only state are the groups. The methods believe their arguments.
 */
class OwnRights : public Rights {
public:
    bool switchesUsers() const noexcept override;
    tl::expected<RunAs, std::string> userOf(const Options &options, const UserResolver &own, bool canSwitch) override;
    HelperProcess start(const SpawnServerStart &server) override;
    HelperProcess start(const PreStartHelper &helper) override;
    HelperProcess start(const EventCommandStart &start) override;
    bool signal(const FileDescriptor &pidFd, int signal) override;
    void useGroups(pid_t agent) override;
    bool places() const noexcept override;
    GroupJoined joinGroup(const FileDescriptor &pidFd, const GroupRequest &wanted) override;
    void endBoot(const FileDescriptor &pidFd) override;
    void setPriority(const FileDescriptor &pidFd, bool low) override;
    std::uint64_t tasksOf(uid_t user) override;
    void endGroup(const std::string &group) noexcept override;
    void endEarlierGroups(pid_t pool, const std::vector<std::string> &kept) noexcept override;
    void tidy() override;
    void endGroups(Cgroups::Time limit) override;
    void giveRoom(const FileDescriptor &socket, int bytes) noexcept override;
    FileDescriptor openForAppending(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) override;
    FileDescriptor openForReading(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) override;
    std::vector<std::optional<RestartTimes>> modified(const std::vector<FolderLook> &looks) override;
    std::vector<std::vector<int>> watch(const FileDescriptor &inotify, const std::vector<FolderLook> &looks) override;
    ProcessFacts::Files procFilesOf(pid_t pid) override;
    std::optional<ProcessMemory> memoryOf(pid_t pid, bool descendants) override;
    void prepareSpawnDir(const std::string &folder) override;
    void removeSocketFolders(const std::string &folder, pid_t bridge) override;
    RegistryFolder makeRegistry(const std::string &parent, unsigned backlog, pid_t anchor, pid_t pool) override;
    void removeRegistry(const std::string &folder, pid_t anchor) override;
    FileDescriptor openDescriptorLog(const std::string &path) override;

    /** Null: there are no groups. */
    Cgroups *groups() noexcept { return groups_.get(); }

private:
    std::unique_ptr<Cgroups> groups_;
};

}  // namespace Passenger
