# meshsim in a container, for machines whose Docker engine is in a virtual machine (macOS, Windows) and for those that have
# no Go. It holds the program and nothing else; build that first:
#
#   CGO_ENABLED=0 GOOS=linux go build -o meshsim ./cmd/meshsim
#   docker build -t meshsim .
#   docker run --rm -it --privileged --pid host -v /var/run/docker.sock:/var/run/docker.sock -p 127.0.0.1:3000:3000 meshsim
#
# Open the address that it prints. Without servers in containers, the options from --privileged to docker.sock can be left out.
FROM scratch
COPY meshsim /meshsim
# Temporary files; and where a mesh file can be mounted: -v "$PWD:/mesh" ... meshsim office.yaml
WORKDIR /tmp
WORKDIR /mesh
# The ports of single servers on loopback would be the container's: the servers are reached by host name instead.
ENV MESHSIM_LISTEN=0.0.0.0:3000 MESHSIM_CLIENT_PORTS=0
EXPOSE 3000
ENTRYPOINT ["/meshsim"]
