process CLIPDENOISE {
    tag "${meta.id}"
    label 'process_medium'

    // The image is built by `docker build -t clip-denoise .` in the repository of the plugin.
    conda "${moduleDir}/environment.yml"
    container 'clip-denoise'

    input:
    tuple val(meta), path(image)
    path model

    output:
    tuple val(meta), path("${prefix}.ome.zarr"), emit: denoised
    tuple val(meta), path("${prefix}.jsonl"), emit: log
    tuple val("${task.process}"), val('clip-denoise'), eval('clip-denoise --version'), emit: versions_clipdenoise, topic: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def chosen = model ? "--model ${model}" : ''
    prefix = task.ext.prefix ?: "${meta.id}_denoised"
    """
    clip-denoise denoise \\
        ${image} \\
        ${prefix}.ome.zarr \\
        ${chosen} \\
        --threads ${task.cpus} \\
        --json \\
        ${args} \\
        > ${prefix}.jsonl
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}_denoised"
    """
    mkdir ${prefix}.ome.zarr
    touch ${prefix}.jsonl
    """
}
