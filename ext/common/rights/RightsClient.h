#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/Mutex.h"
#include "io/Frame.h"
#include "rights/Rights.h"
#include "rights/SilentFiles.h"

namespace Passenger {

/**
 * Asks the rights process. Each request has a connection of its own, which the rights process
 * serves by a process of its own. So a file system that does not answer delays no other request.
 *
 * Owned by the pool process. A user whose files do not answer has SilentFiles, and so has an
 * application's folder and its log file. So a file system that does not answer leaves few processes
 * behind.
 */
class RightsClient final : public Rights {
public:
    explicit RightsClient(FileDescriptor socket);

    /** Another rights process has taken the place of the one before. */
    void use(FileDescriptor socket) EXCLUDES(mutex_);
    void endSilences() override EXCLUDES(mutex_) {
        const LockGuard guard(mutex_);
        silent_ = SilentFiles();
    }

    bool switchesUsers() const noexcept override { return true; }
    tl::expected<RunAs, std::string> userOf(const Options &options, const UserResolver &own, bool canSwitch) override;
    HelperProcess start(const SpawnServerStart &server) override;
    HelperProcess start(const PreStartHelper &helper) override;
    HelperProcess start(const EventCommandStart &start) override;
    bool signal(const FileDescriptor &pidFd, int signal) override EXCLUDES(mutex_);
    void tidy() override EXCLUDES(mutex_);
    /** The rights process does so by itself. */
    void useGroups(pid_t /*agent*/) override {}
    bool places() const noexcept override { return true; }
    GroupJoined joinGroup(const FileDescriptor &pidFd, const GroupRequest &wanted) override;
    void endBoot(const FileDescriptor &pidFd) override;
    void setPriority(const FileDescriptor &pidFd, bool low) override;
    std::uint64_t tasksOf(uid_t user) override;
    void endGroup(const std::string &group) noexcept override;
    void endEarlierGroups(pid_t pool, const std::vector<std::string> &kept) noexcept override;
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

private:
    Frame ask(const Frame &request, const std::vector<int> &descriptors = {},
              std::chrono::seconds limit = std::chrono::seconds(0)) EXCLUDES(mutex_);
    /** ask() about files. @param files whose: fields of the log that name them */
    Frame askAbout(const std::string &files, const Frame &request, std::chrono::seconds limit,
                   const std::vector<int> &descriptors = {}) EXCLUDES(mutex_);
    /** The result of each look; empty: it failed. */
    using Results = std::vector<std::vector<std::string>>;
    Results look(const char *verb, const std::vector<FolderLook> &looks, const std::vector<int> &descriptors)
        EXCLUDES(mutex_);
    Results lookTogether(const char *verb, const std::vector<FolderLook> &looks, const std::vector<int> &descriptors)
        EXCLUDES(mutex_);
    std::vector<std::string> lookAlone(const char *verb, const FolderLook &look, const std::vector<int> &descriptors)
        EXCLUDES(mutex_);
    bool wasSilent(const FolderLook &look) const EXCLUDES(mutex_);
    FrameSocket takeConnection() EXCLUDES(mutex_);
    FrameSocket connect() EXCLUDES(mutex_);
    void giveBack(FrameSocket connection, unsigned generation) EXCLUDES(mutex_);
    unsigned generation() const EXCLUDES(mutex_);
    void tell(const Frame &frame, const std::vector<int> &descriptors, const char *consequence) noexcept
        EXCLUDES(mutex_);
    void sendSignal(const FileDescriptor &pidFd, int signal, std::chrono::milliseconds limit) REQUIRES(mutex_);
    /** Stops at the first one that cannot be sent. @throws as sendSignal() */
    void sendUnsent(std::chrono::milliseconds limit) REQUIRES(mutex_);
    HelperProcess helperIn(Frame answer) const;

    mutable Mutex mutex_{Locks::RIGHTS_CLIENT};
    /** To the rights process itself. */
    FrameSocket main_ GUARDED_BY(mutex_);
    /** Counts the rights processes. */
    unsigned generation_ GUARDED_BY(mutex_) = 0;
    std::vector<FrameSocket> free_ GUARDED_BY(mutex_);
    /** Signals that the rights process did not take. */
    std::vector<std::pair<FileDescriptor, int>> unsent_ GUARDED_BY(mutex_);
    SilentFiles silent_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
