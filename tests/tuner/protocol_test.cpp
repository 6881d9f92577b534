#include "tuner/worker/protocol.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tunesmith::tuner {
namespace {

struct Sockets {
  int ends[2] = {-1, -1};
  Sockets() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0); }
  ~Sockets() {
    for (int end : ends)
      if (end >= 0) ::close(end);
  }
};

TEST(Protocol, FramesArriveWhole) {
  Sockets sockets;
  const std::vector<double> samples{1, 2, 3};
  ASSERT_TRUE(send_message(sockets.ends[0], MessageType::timed, to_bytes(samples)));
  Message message;
  ASSERT_EQ(receive_message(sockets.ends[1], message, 1), ReceiveStatus::ok);
  EXPECT_EQ(message.type, MessageType::timed);
  EXPECT_EQ(doubles_from(message.payload), samples);
}

TEST(Protocol, SilenceIsATimeoutAndAClosedEndIsClosed) {
  Sockets sockets;
  Message message;
  EXPECT_EQ(receive_message(sockets.ends[1], message, 0.01), ReceiveStatus::timeout);
  ::close(sockets.ends[0]);
  sockets.ends[0] = -1;
  EXPECT_EQ(receive_message(sockets.ends[1], message, 1), ReceiveStatus::closed);
  EXPECT_FALSE(send_message(sockets.ends[1], MessageType::run, {}));
}

TEST(Protocol, RequestsSurviveSerialisationAndRefuseTruncation) {
  const std::int64_t bytes[] = {100, 5000};
  const bool writable[] = {false, true};
  const SetupRequest setup{2, lay_out_segments(bytes, writable)};
  const std::vector<std::byte> data = setup.serialise();
  const auto back = SetupRequest::deserialise(data);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->threads, 2);
  ASSERT_EQ(back->segments.size(), 2u);
  EXPECT_EQ(back->segments[1].bytes, 5000);
  for (std::size_t size = 0; size < data.size(); ++size)
    EXPECT_FALSE(SetupRequest::deserialise(std::span(data).first(size))) << size;
}

TEST(Protocol, BuffersEndAtTheGuardPage) {
  const std::int64_t bytes[] = {1, 64, 4096, 5000};
  const bool writable[] = {true, true, false, true};
  const long page = ::sysconf(_SC_PAGESIZE);
  std::int64_t end = 0;
  for (const Segment& segment : lay_out_segments(bytes, writable)) {
    EXPECT_EQ(segment.offset, end);
    EXPECT_EQ(segment.size % page, 0);
    EXPECT_EQ(segment.start % 64, 0);
    EXPECT_LT(segment.size - (segment.start + segment.bytes), 64) << "room behind the buffer";
    EXPECT_GE(segment.size, segment.start + segment.bytes);
    end = segment.offset + segment.size;
  }
}

}  // namespace
}  // namespace tunesmith::tuner
