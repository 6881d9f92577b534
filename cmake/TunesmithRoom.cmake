# tunesmith_room(NAME SOURCES <files> LINKS <rooms and libraries> PRIVATE <libraries>)
# One room of the house: a static library tunesmith_NAME, alias tunesmith::NAME. LINKS may name only
# rooms that stand earlier in the order; a test checks the includes against it.
function(tunesmith_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra $<$<BOOL:${TUNESMITH_WERROR}>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 warns falsely of overlapping copies inside std::string when it optimises.
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(TUNESMITH_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${TUNESMITH_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${TUNESMITH_SANITIZE})
  endif()
endfunction()

function(tunesmith_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINKS;PRIVATE" ${ARGN})
  set(target tunesmith_${name})
  add_library(${target} STATIC ${ROOM_SOURCES})
  add_library(tunesmith::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:include/tunesmith> $<INSTALL_INTERFACE:include>)
  target_link_libraries(${target} PUBLIC ${ROOM_LINKS} PRIVATE ${ROOM_PRIVATE})
  tunesmith_warnings(${target})
  set_property(GLOBAL APPEND PROPERTY TUNESMITH_ROOM_TARGETS ${target})
endfunction()

# tunesmith_sources(OUT FOLDER...): the room's .cpp files, of these folders only.
function(tunesmith_sources out)
  set(files)
  foreach(folder IN LISTS ARGN)
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
    list(APPEND files ${found})
  endforeach()
  set(${out} ${files} PARENT_SCOPE)
endfunction()
