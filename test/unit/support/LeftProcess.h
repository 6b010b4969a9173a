#pragma once

#include <cppunit/TestAssert.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/PidFd.h"
#include "io/SocketPair.h"
#include "pool/InstanceNote.h"
#include "shm/Claims.h"

namespace Passenger {

/** A process as an earlier pool process has left it. */
struct LeftProcess {
    explicit LeftProcess(std::string app, bool serves = true) : app(std::move(app)), serves(serves) {
        pid = ::fork();
        if (pid == 0) {
            ::pause();
            ::_exit(0);
        }
        auto sockets = makeStreamPair();
        control = std::move(sockets.first);
        theirs = std::move(sockets.second);
        int ends[2];
        CPPUNIT_ASSERT_EQUAL(0, ::pipe2(ends, O_CLOEXEC));
        output = FileDescriptor(ends[0]);
        FileDescriptor(ends[1]).reset();
    }
    ~LeftProcess() { end(); }
    LeftProcess(const LeftProcess &) = delete;
    LeftProcess &operator=(const LeftProcess &) = delete;

    void end() {
        if (pid != 0) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
            pid = 0;
        }
    }
    std::string key() const { return "instance:" + std::to_string(pid); }
    /** @param pool or its Orphans */
    void restoreIn(auto &pool) const {
        InstanceNote note;
        note.pid = pid;
        note.threads = 2;
        note.stopTimeout = std::chrono::seconds(10);
        note.serves = serves;
        note.isAsgi = isAsgi;
        note.deployFailed = deployFailed;
        note.restartFile = "12.34";
        note.cells = {{4, 2}};
        note.app = app;
        std::vector<FileDescriptor> descriptors;
        descriptors.push_back(openPidFd(pid));
        descriptors.push_back(control.duplicate());
        descriptors.push_back(output.duplicate());
        descriptors.push_back(claims.memory().descriptor().duplicate());
        pool.restore(key(), note.toText(), std::move(descriptors));
    }
    bool toldToEnd() const {
        char byte = 0;
        return ::recv(theirs.get(), &byte, 1, MSG_DONTWAIT) == 0;
    }
    void claim(std::uint32_t cell) {
        const ClaimCell mine{77, 5};
        const auto size = static_cast<ssize_t>(sizeof(mine));
        CPPUNIT_ASSERT_EQUAL(size, ::pwrite(claims.memory().descriptor().get(), &mine, sizeof(mine),
                                            static_cast<off_t>(ClaimsLayout::offset(cell))));
    }

    std::string app;
    bool serves;
    bool isAsgi = false;
    bool deployFailed = false;
    pid_t pid = 0;
    FileDescriptor control;
    FileDescriptor theirs;
    FileDescriptor output;
    Claims claims;
};

}  // namespace Passenger
