# make install and find_package(tunesmith): rooms as static libraries, their headers under include/tunesmith.
include(CMakePackageConfigHelpers)

get_property(rooms GLOBAL PROPERTY TUNESMITH_ROOM_TARGETS)
install(TARGETS ${rooms} EXPORT tunesmith-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT tunesmith-targets NAMESPACE tunesmith:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tunesmith)
foreach(room ir tracer schedules codegen cache tuner runtime)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tunesmith
          FILES_MATCHING PATTERN "*.h" PATTERN "llvm" EXCLUDE)
endforeach()
install(TARGETS tunesmith RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS tunesmith-worker RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/tunesmith)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tunesmith-config.cmake.in
  ${PROJECT_BINARY_DIR}/tunesmith-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tunesmith)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tunesmith-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tunesmith-config.cmake ${PROJECT_BINARY_DIR}/tunesmith-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/TunesmithDependencies.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tunesmith)
