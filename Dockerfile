# syntax=docker/dockerfile:1

# The command line in a container. With torch for the CPU:
#     docker build -t clip-denoise .
#     docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/data" clip-denoise denoise raw.tif clean.ome.zarr
# For a GPU, with a CUDA that PyTorch is built for:
#     docker build -t clip-denoise --build-arg TORCH=cu130 .
#     docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/data" --gpus all clip-denoise denoise ...
# Models of your own, and CLIP's encoder where one needs it, are kept in /models: add
# -v "$PWD/models:/models", or --bind for Apptainer. Nothing else is written but the output.

FROM python:3.13-slim AS build

RUN python -m venv /opt/clip-denoise
ENV PATH=/opt/clip-denoise/bin:$PATH

ARG TORCH=cpu
# hadolint ignore=DL3013
RUN pip install --no-cache-dir torch torchvision \
    --index-url "https://download.pytorch.org/whl/$TORCH"

WORKDIR /source
COPY LICENSE NOTICE README.md pyproject.toml ./
COPY src src
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[cluster,medical]"

FROM python:3.13-slim

LABEL org.opencontainers.image.title="napari-clip-denoise" \
      org.opencontainers.image.description="Denoise microscopy and medical images of any size" \
      org.opencontainers.image.source="https://github.com/napari-clip-denoise/napari-clip-denoise" \
      org.opencontainers.image.licenses="BSD-3-Clause"

COPY --from=build /opt/clip-denoise /opt/clip-denoise
# Whoever runs it may write here, under Docker; under Apptainer only what is bound here.
RUN install -d -m 1777 /models
ENV PATH=/opt/clip-denoise/bin:$PATH \
    CLIP_DENOISE_MODELS=/models \
    HF_HOME=/models/huggingface

USER 1000:1000
WORKDIR /data
ENTRYPOINT ["clip-denoise"]
CMD ["--help"]
