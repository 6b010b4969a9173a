#pragma once

#include <arpa/inet.h>
#include <cppunit/TestAssert.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/Poll.h"
#include "base/SystemClock.h"
#include "bridge/Intake.h"
#include "io/RequestQueue.h"
#include "io/Serve.h"
#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "shm/SenderMemory.h"
#include "support/LeakCheck.h"

namespace Passenger::Bridge {

/** What an Intake works with: an application, an agent's queues, and the children's ends of the
 *  reply channels. */
class IntakeFixture : public LeakCheck {
protected:
    static void setPatience(const FileDescriptor &socket) {
        const timeval patience{60, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    }

    /** A server that answers when the test says so. */
    struct Application {
        Application() : address(AppAddress::tcp("127.0.0.1", AppAddress::unusedPort("127.0.0.1"))) { listen(); }
        void listen() {
            listener = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in name{};
            name.sin_family = AF_INET;
            name.sin_port = htons(address.port());
            name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            CPPUNIT_ASSERT_EQUAL(0, ::bind(listener.get(), reinterpret_cast<sockaddr *>(&name), sizeof(name)));
            CPPUNIT_ASSERT_EQUAL(0, ::listen(listener.get(), 100));
            setPatience(listener);
        }
        FileDescriptor accept() const {
            FileDescriptor connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            CPPUNIT_ASSERT(connection);
            setPatience(connection);
            return connection;
        }
        /** The path of the next request; empty: the connection has ended. */
        static std::string path(const FileDescriptor &connection) {
            std::string head;
            char byte = 0;
            while (!head.ends_with("\r\n\r\n") && ::recv(connection.get(), &byte, 1, 0) == 1) {
                head += byte;
            }
            const auto from = head.find(' ') + 1;
            return head.empty() ? "" : head.substr(from, head.find(' ', from) - from);
        }
        static void answer(const FileDescriptor &connection, const std::string &body) {
            const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
            const std::string all = text + body;
            CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(all.size()),
                                 ::send(connection.get(), all.data(), all.size(), MSG_NOSIGNAL));
        }

        AppAddress address;
        FileDescriptor listener;
    };

    /** What a pool process hands over, with a queue of its own for sticky sessions if wanted. */
    struct Agent {
        explicit Agent(bool sticky = false) : own(sticky ? std::optional<RequestQueue>(std::in_place) : std::nullopt) {}

        HandoverPtr handover(unsigned threads, bool paused = false) const {
            Frame frame(FrameType::SERVE);
            frame.descriptors.push_back(queue.receivingEnd().duplicate());
            frame.descriptors.push_back(claims.memory().descriptor().duplicate());
            frame.descriptors.push_back(senders.memory().descriptor().duplicate());
            if (own) {
                frame.descriptors.push_back(own->receivingEnd().duplicate());
            }
            const Serve serve{.threads = threads, .app = "the application", .stickyId = own ? 7U : 0, .paused = paused};
            return std::make_shared<const Handover>(serve, frame);
        }

        RequestQueue queue;
        std::optional<RequestQueue> own;
        Claims claims;
        SenderMemory senders;
    };

    using Variables = std::vector<std::pair<std::string, std::string>>;

    /** @param more variables of the environment */
    static RequestQueue::Outcome ask(const RequestQueue &queue, std::uint64_t channel, const std::string &path,
                                     std::uint8_t flags = 0, const Variables &more = {}) {
        Variables variables{{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", path}, {"HTTP_HOST", "localhost"}};
        variables.insert(variables.end(), more.begin(), more.end());
        std::string text;
        for (const auto &[name, value] : variables) {
            text += name;
            text += '\0';
            text += value;
            text += '\0';
        }
        RequestHeader header{};
        header.version = LAYOUT_VERSION;
        header.flags = flags;
        header.headLength = static_cast<std::uint32_t>(text.size());
        header.channel = channel;
        header.ticket = 1;
        return RequestQueue::send(queue.sendingEnd().get(), header, text, "");
    }

    /** The intake with its thread, and the children's ends of the channels. */
    struct Bridge {
        explicit Bridge(const HandoverPtr &handover)
            : channels([this](std::uint64_t) { asked++; }),
              relays(0, SystemClock::instance()),
              tools{channels, app.address, relays, [this] { noteAnswer(); }},
              intake(handover, tools),
              news(makeEventDescriptor()),
              watch(intake.watchFor(Intake::CONTROL)) {
            watch.set(news.get(), EPOLLIN);
            loop = std::thread([this] { run(); });
        }

        void run() {
            while (!ended) {
                idle += intake.settle() ? 1 : 0;
                if (intake.turn(std::nullopt)[Intake::CONTROL]) {
                    clearEvent(news);
                    std::vector<std::function<void()>> now;
                    {
                        const std::lock_guard lock(mutex);
                        now.swap(orders);
                    }
                    for (const auto &one : now) {
                        one();
                    }
                }
            }
        }
        /** Has the loop's thread do what a frame of the agent would. */
        template <typename Order> auto order(Order what) {
            std::packaged_task<decltype(what())()> task(std::move(what));
            auto result = task.get_future();
            {
                const std::lock_guard lock(mutex);
                orders.emplace_back([&task] { task(); });
            }
            setEvent(news);
            return result.get();
        }
        ~Bridge() {
            order([this] { ended = true; });
            loop.join();
        }

        std::size_t inWork() {
            return order([this] { return intake.inWork(); });
        }

        /** The loop calls this, and waits while a test has the lock. */
        void noteAnswer() {
            const std::lock_guard lock(mutex);
            answered++;
        }
        /** The child's end of a new channel. */
        FileDescriptor channel(std::uint64_t id) {
            DescriptorPair pair = makeSeqPacketPair();
            setPatience(pair.first);
            order([&] {
                channels.add(id, std::move(pair.second));
                intake.searchAgain();
            });
            return std::move(pair.first);
        }

        Application app;
        Channels channels;
        Relays relays;
        std::atomic<int> answered{0};
        std::atomic<int> idle{0};
        /** Questions for channels. */
        std::atomic<int> asked{0};
        std::mutex mutex;
        const Place::Tools tools;
        Intake intake;
        const FileDescriptor news;
        Watch watch;
        std::vector<std::function<void()>> orders;
        bool ended = false;
        std::thread loop;
    };

    struct Answer {
        MessageHeader header{};
        std::string body;
    };
    /** The messages to the last one, together. */
    static Answer receive(const FileDescriptor &channel) {
        Answer answer;
        std::string text(MAX_MESSAGE, '\0');
        MessageHeader header{};
        while ((header.flags & LAST) == 0) {
            const ssize_t size = ::recv(channel.get(), text.data(), text.size(), 0);
            if (size < static_cast<ssize_t>(sizeof(header))) {
                CPPUNIT_FAIL("no message");
            }
            std::memcpy(&header, text.data(), sizeof(header));
            answer.header = header.type == MessageType::DATA ? answer.header : header;
            answer.body.append(text, sizeof(header) + header.headLength,
                               static_cast<std::size_t>(size) - sizeof(header) - header.headLength);
        }
        return answer;
    }
};

}  // namespace Passenger::Bridge
